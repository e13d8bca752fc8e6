# Completion of PicoClaw's commands for fish.
# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_picoclaw_global_optspecs
    string join \n h/help V/version
end

function __fish_picoclaw_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_picoclaw_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_picoclaw_using_subcommand
    set -l cmd (__fish_picoclaw_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c picoclaw -n "__fish_picoclaw_needs_command" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -s V -l version -d 'Print version'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "gateway" -d 'Start the gateway'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "agent" -d 'Talk to the agent: one message with -m, otherwise line by line'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "onboard" -d 'Create a home directory to start with; what exists stays as it is'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "status" -d 'Show what is configured and how a running gateway is'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "health" -d 'Ask the running gateway how it is: one line, and the exit code 0 or 1'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "metrics" -d 'Print the live numbers of the running gateway'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "reload" -d 'Let the running gateway read its configuration again and open its log files anew; say what changed'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "cron" -d 'List, add, remove and switch scheduled jobs'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "model" -d 'List the models, choose which one answers, or add one'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "mcp" -d 'Add, list, show and remove the MCP servers whose tools the agent can use'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "skills" -d 'List, show, install and remove skills of the workspace'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "migrate" -d 'Bring an older config.json into the present layout; the file before is kept'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "completions" -d 'Print a script that lets a shell complete these commands'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "man" -d 'Print the manual page'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "auth" -d 'Show which providers have keys'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "update" -d 'Not offered'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "version" -d 'Print the version'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "integrations" -d 'List the files for other programs, or print or write them filled in for this gateway'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "config" -d 'Check the configuration, or print its schema or an example'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "sinks" -d 'List the telemetry sinks, or try whether they can work'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "plugin" -d 'List the plugins that are configured, look at a file, or begin a new plugin'
complete -c picoclaw -n "__fish_picoclaw_needs_command" -f -a "plugin-host" -d 'Host a plugin: what a gateway starts for each of them'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand gateway" -l host -d 'Listen here instead of at gateway.host' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand gateway" -s d -l debug -d 'Log everything'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand gateway" -s T -l no-truncate -d 'Do not shorten long texts in the log (accepted for compatibility; texts are bounded anyway)'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand gateway" -s E -l allow-empty -d 'Start even when no default model is configured (always possible: the built-in model answers)'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand gateway" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand agent" -s m -l message -d 'The message; without it, every line of the standard input is one' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand agent" -s s -l session -d 'The session that remembers the conversation' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand agent" -l model -d 'The configured model that answers' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand agent" -s d -l debug -d 'Log everything'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand agent" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand onboard" -l model -d 'The model that answers: provider/model, such as openai/gpt-4o-mini' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand onboard" -l key-file -d 'The provider\'s key: a file, or - for the standard input' -r -F
complete -c picoclaw -n "__fish_picoclaw_using_subcommand onboard" -s y -l yes -d 'Ask nothing, even at a terminal'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand onboard" -l enc -d 'Encrypt the keys with a passphrase, which is asked for unless it is in PICOCLAW_KEY_PASSPHRASE, and an SSH key'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand onboard" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand status" -l json -d 'As JSON'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand status" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand health" -l url -d 'Ask this address instead of the gateway of this home directory' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand health" -l timeout -d 'How long the gateway may take to answer' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand health" -l json -d 'Print the whole document'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand health" -s q -l quiet -d 'Print nothing'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand health" -l strict -d 'Also `degraded` is a failure (exit code 1)'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand health" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand metrics" -s w -l watch -d 'Look again and again, and show rates since the look before' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand metrics" -l url -d 'Ask this address instead of the gateway of this home directory' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand metrics" -s a -l all -d 'Show every series, also those of large metrics where nothing has happened yet'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand metrics" -l json -d 'Print a JSON document; with --watch one per line'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand metrics" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand reload" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and not __fish_seen_subcommand_from list add remove enable disable" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and not __fish_seen_subcommand_from list add remove enable disable" -f -a "list" -d 'List the jobs, with their next and their last run'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and not __fish_seen_subcommand_from list add remove enable disable" -f -a "add" -d 'Add a job: --every or --cron or --at'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and not __fish_seen_subcommand_from list add remove enable disable" -f -a "remove" -d 'Remove a job'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and not __fish_seen_subcommand_from list add remove enable disable" -f -a "enable" -d 'Switch a job on'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and not __fish_seen_subcommand_from list add remove enable disable" -f -a "disable" -d 'Switch a job off'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from list" -l json -d 'As JSON'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from add" -s n -l name -d 'Its name' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from add" -s m -l message -d 'What the agent is told when the time comes' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from add" -s e -l every -d 'Again and again, every so many seconds' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from add" -s c -l cron -d 'By the clock: minute hour day month weekday, such as "0 9 * * 1-5"' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from add" -l at -d 'Once, at a time such as 2026-12-24T18:00:00Z or 2026-12-24T18:00:00+01:00' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from add" -l tz -d 'The time zone of --cron, such as Europe/Berlin, instead of that of the machine' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from add" -l channel -d 'The channel that hears of the outcome' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from add" -l to -d 'The chat in it' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from add" -s d -l deliver -d 'Send the message as it is, without asking the agent'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from enable" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand cron; and __fish_seen_subcommand_from disable" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand model; and not __fish_seen_subcommand_from add" -l json -d 'List them as JSON'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand model; and not __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand model; and not __fish_seen_subcommand_from add" -a "add" -d 'Add a model to the configuration; its key goes into .security.yml'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand model; and __fish_seen_subcommand_from add" -l api-base -d 'The provider\'s address, instead of the usual one' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand model; and __fish_seen_subcommand_from add" -l key-file -d 'The provider\'s key: a file, or - for the standard input' -r -F
complete -c picoclaw -n "__fish_picoclaw_using_subcommand model; and __fish_seen_subcommand_from add" -s k -l key -d 'Ask for the provider\'s key'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand model; and __fish_seen_subcommand_from add" -s d -l default -d 'Let it answer from now on'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand model; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and not __fish_seen_subcommand_from add list edit remove test show" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and not __fish_seen_subcommand_from add list edit remove test show" -f -a "add" -d 'Add a server: its address, or the program to start with its arguments'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and not __fish_seen_subcommand_from add list edit remove test show" -f -a "list" -d 'List the servers'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and not __fish_seen_subcommand_from add list edit remove test show" -f -a "edit" -d 'Edit the configuration with $VISUAL or $EDITOR, and check it'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and not __fish_seen_subcommand_from add list edit remove test show" -f -a "remove" -d 'Remove a server'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and not __fish_seen_subcommand_from add list edit remove test show" -f -a "test" -d 'Connect to a server as the gateway would, and list its tools. Ends with 1 when that fails'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and not __fish_seen_subcommand_from add list edit remove test show" -f -a "show" -d 'Show a server; values of variables and headers are not shown'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from add" -s e -l env -d 'A variable of the program\'s environment' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from add" -l env-file -d 'A file of variables for the program' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from add" -s H -l header -d 'A header of each request' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from add" -s t -l transport -d 'How it is spoken to; by itself this follows from what is given' -r -f -a "stdio\t''
sse\t''
http\t''
streamable-http\t''"
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from add" -l deferred -d 'Tell the model of its tools only when it searches for them'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from add" -s f -l force -d 'Replace a server of that name'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from list" -l json -d 'As JSON; values of variables and headers are not shown'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from edit" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from test" -l timeout -d 'How long it may take until it is ready, in seconds' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from test" -l json -d 'As JSON'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand mcp; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and not __fish_seen_subcommand_from list show install search list-builtin install-builtin remove" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and not __fish_seen_subcommand_from list show install search list-builtin install-builtin remove" -f -a "list" -d 'List the skills of the workspace'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and not __fish_seen_subcommand_from list show install search list-builtin install-builtin remove" -f -a "show" -d 'Print a skill'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and not __fish_seen_subcommand_from list show install search list-builtin install-builtin remove" -f -a "install" -d 'Install a skill into the workspace: from a folder with a SKILL.md, a repository, or a registry'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and not __fish_seen_subcommand_from list show install search list-builtin install-builtin remove" -f -a "search" -d 'Search for skills that could be installed, in the registry ClawHub'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and not __fish_seen_subcommand_from list show install search list-builtin install-builtin remove" -f -a "list-builtin" -d 'List the skills that come with the gateway, or those in the directory PICOCLAW_BUILTIN_SKILLS'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and not __fish_seen_subcommand_from list show install search list-builtin install-builtin remove" -f -a "install-builtin" -d 'Install skills that come with the gateway'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and not __fish_seen_subcommand_from list show install search list-builtin install-builtin remove" -f -a "remove" -d 'Remove a skill'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from list" -l json -d 'As JSON'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from install" -s r -l registry -d 'Where it comes from, when it is no folder' -r -f -a "github\t''
clawhub\t''"
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from install" -l version -d 'A version, branch or commit; the newest by default' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from install" -s f -l force -d 'Replace a skill of that name'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from search" -s l -l limit -d 'Most of them' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from search" -l json -d 'As JSON'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from search" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from list-builtin" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from install-builtin" -s f -l force -d 'Replace skills of these names'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from install-builtin" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand skills; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand migrate" -s n -l dry-run -d 'Only say what would change'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand migrate" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand completions" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand man" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand auth; and not __fish_seen_subcommand_from status models" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand auth; and not __fish_seen_subcommand_from status models" -f -a "status" -d 'Show which providers have keys; the keys are not shown'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand auth; and not __fish_seen_subcommand_from status models" -f -a "models" -d 'List the models; those of accounts are not offered'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand auth; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand auth; and __fish_seen_subcommand_from models" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand version" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand integrations" -l write -d 'Write the files into this directory instead of printing them; without NAME, all of them' -r -F
complete -c picoclaw -n "__fish_picoclaw_using_subcommand integrations" -l job -d 'The name of the scrape job' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand integrations" -l force -d 'Write over files that exist'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand integrations" -l show-secrets -d 'Fill in the scrape token itself; files with it are readable by their owner only'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand integrations" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand config; and not __fish_seen_subcommand_from check schema example reset" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand config; and not __fish_seen_subcommand_from check schema example reset" -f -a "check" -d 'Say everything that is wrong with the configuration, and which sinks result'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand config; and not __fish_seen_subcommand_from check schema example reset" -f -a "schema" -d 'Print the JSON schema of config.json'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand config; and not __fish_seen_subcommand_from check schema example reset" -f -a "example" -d 'Print a configuration to start from'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand config; and not __fish_seen_subcommand_from check schema example reset" -f -a "reset" -d 'Replace the configuration by the usual one; the file before is kept'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand config; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand config; and __fish_seen_subcommand_from example" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand config; and __fish_seen_subcommand_from reset" -s f -l force -d 'Yes, replace it'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand config; and __fish_seen_subcommand_from reset" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand sinks; and not __fish_seen_subcommand_from list check" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand sinks; and not __fish_seen_subcommand_from list check" -f -a "list" -d 'List the types that exist and the sinks that are configured'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand sinks; and not __fish_seen_subcommand_from list check" -f -a "check" -d 'Build each configured sink and try whether its destination can be reached'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand sinks; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand sinks; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin; and not __fish_seen_subcommand_from list check new" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin; and not __fish_seen_subcommand_from list check new" -f -a "list" -d 'List the plugins that are configured'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin; and not __fish_seen_subcommand_from list check new" -f -a "check" -d 'Load a library in a process that is thrown away, and print what it is'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin; and not __fish_seen_subcommand_from list check new" -f -a "new" -d 'Begin a new plugin: a folder that builds at once, with tests'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin; and __fish_seen_subcommand_from check" -l config -d 'A configuration, as JSON, with which an instance is made' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin; and __fish_seen_subcommand_from new" -l lang -d 'The language' -r -f -a "rust\t'A crate with the safe interface'
c\t'A C file with the header'"
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin-host" -l name -d 'What the process is called' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin-host" -l memory-mb -d 'Most memory, in MiB' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin-host" -l open-files -d 'Most open files' -r
complete -c picoclaw -n "__fish_picoclaw_using_subcommand plugin-host" -s h -l help -d 'Print help'
