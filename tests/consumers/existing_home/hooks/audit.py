"""Notes what the agent does, and lets every tool be used."""
import json
import os
import sys

with open(os.environ["AUDIT_LOG"], "a") as log:
    for line in sys.stdin:
        message = json.loads(line)
        log.write(line)
        log.flush()
        if "id" in message:
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": {"action": "continue"}}
            print(json.dumps(answer), flush=True)
