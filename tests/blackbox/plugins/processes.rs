//! The process of a plugin: what it is called, what it has, and when it ends.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{Gateway, Home, c_library, library, plugin, wait_for, with_sinks};

/// Of a plugin that is a program; the host of a library has a word for its allocator, too.
const ENVIRONMENT: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0";

fn gateway(config: serde_json::Value) -> Gateway {
    let home = Home::new(json!({}));
    let options = json!({ "path": library(&home, "drill"), "config": config, "call_timeout_ms": 600_000 });
    home.configure(with_sinks(&[plugin("p", options)]));
    let gateway = Gateway::start_in(home);
    gateway.logged("Plugin is ready");
    gateway
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie whose parent has not asked yet is dead.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn it_has_a_name_of_its_own_and_nothing_of_the_gateway() {
    let gateway = gateway(json!({}));
    let [pid] = gateway.children()[..] else { panic!("{:?}", gateway.children()) };
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap();
    assert_eq!(read("comm"), b"claw-sink-p\n");
    let arguments = String::from_utf8(read("cmdline")).unwrap();
    assert!(!arguments.contains("picoclaw"), "{arguments}");
    let allocator = "MIMALLOC_ARENA_EAGER_COMMIT=0\0";
    assert_eq!(String::from_utf8(read("environ")).unwrap(), format!("{allocator}{ENVIRONMENT}"));
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let targets: Vec<String> = descriptors
        .map(|entry| fs::read_link(entry.path()).unwrap_or_default().display().to_string())
        .collect();
    // Its connection, twice more as the host's own copies, two pipes, and the library.
    let foreign = targets.iter().filter(|t| {
        !(t.starts_with("socket:") || t.starts_with("pipe:") || t.ends_with("libpicoclaw_plugin_drill.so"))
    });
    assert_eq!(foreign.collect::<Vec<_>>(), Vec::<&String>::new(), "{targets:?}");
    let limits = String::from_utf8(read("limits")).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().rev().nth(1).unwrap().to_owned()
    };
    assert_eq!(limit("Max data size"), (256 * 1024 * 1024).to_string());
    assert_eq!(limit("Max open files"), "256");
    // What the host claims for itself is not there for the plugin.
    let status = String::from_utf8(read("status")).unwrap();
    let claimed = status.lines().find_map(|line| line.strip_prefix("VmData:")?.strip_suffix(" kB")).unwrap();
    assert!(claimed.trim().parse::<u64>().unwrap() < 32 * 1024, "{claimed} kB of its 256 MiB are claimed");
    gateway.stop();
    assert!(!is_alive(pid));
}

#[test]
fn a_program_has_nothing_of_the_gateways_environment() {
    let home = Home::new(json!({}));
    let file = home.join("environment");
    let command = json!(["/bin/cp", "/proc/self/environ", file]);
    home.configure(with_sinks(&[plugin("p", json!({ "command": command }))]));
    let _gateway = Gateway::start_in(home);
    let environment = wait_for("its environment", || {
        fs::read_to_string(&file).ok().filter(|environment| environment.ends_with('\0'))
    });
    assert_eq!(environment, ENVIRONMENT);
}

#[test]
fn it_ends_with_a_gateway_that_is_killed_even_when_it_hangs() {
    for drill in ["nothing", "hang"] {
        let gateway = gateway(json!({ "drill": drill }));
        let [pid] = gateway.children()[..] else { panic!("{:?}", gateway.children()) };
        gateway.kill();
        wait_for("its end", || (!is_alive(pid)).then_some(()));
    }
}

/// What the system runs at the exit of a process is the plugin's, too.
#[test]
fn it_ends_with_a_gateway_that_is_killed_even_when_its_exit_hangs() {
    let home = Home::new(json!({}));
    let path = c_library(&home, "drill/wrong.c", "hang.so", &["-DHANG_AT_EXIT"]);
    home.configure(with_sinks(&[plugin("p", json!({ "path": path }))]));
    let gateway = Gateway::start_in(home);
    gateway.logged("Plugin is ready");
    let [pid] = gateway.children()[..] else { panic!("{:?}", gateway.children()) };
    gateway.kill();
    wait_for("its end", || (!is_alive(pid)).then_some(()));
}

/// Somebody who leaves the process group cannot be found, but must not cost the gateway anything.
#[test]
fn processes_that_escape_keep_no_file_of_the_gateway_open() {
    let home = Home::new(json!({}));
    let folder = home.join("escaped");
    fs::create_dir(&folder).unwrap();
    let script = format!(
        r#"f={}/$$; setsid sh -c 'echo $$ > "$0"; exec sleep 300' $f & until [ -s $f ]; do sleep 0.01; done; exit 1"#,
        folder.display()
    );
    home.configure(with_sinks(&[plugin("p", json!({ "command": ["/bin/sh", "-c", script] }))]));
    let gateway = Gateway::start_in(home);
    wait_for("restarts", || (gateway.sink("restarts_total", "p") >= 2.0).then_some(()));
    let files = fs::read_dir(&folder).unwrap().flatten();
    let escaped: Vec<String> =
        files.map(|file| fs::read_to_string(file.path()).unwrap().trim().to_owned()).collect();
    let link = |pid: &str, fd: &str| fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok();
    let theirs: Vec<_> = escaped.iter().filter_map(|pid| link(pid, "1")).collect();
    assert!(theirs.len() >= 2, "they live: {escaped:?}");
    let gateway_pid = gateway.pid().to_string();
    let ours = || {
        let open = fs::read_dir(format!("/proc/{gateway_pid}/fd")).unwrap().flatten();
        open.filter_map(|entry| link(&gateway_pid, entry.file_name().to_str()?)).collect::<Vec<_>>()
    };
    wait_for("the pipes to be closed", || {
        let ours = ours();
        (!theirs.iter().any(|pipe| ours.contains(pipe))).then_some(())
    });
    std::process::Command::new("kill").args(&escaped).status().unwrap();
}

/// Also with nothing to hand over, a plugin that dies is noticed and started again.
#[test]
fn one_that_dies_while_nothing_happens_is_back_soon() {
    let gateway = gateway(json!({}));
    gateway.settled("p");
    let [pid] = gateway.children()[..] else { panic!("{:?}", gateway.children()) };
    let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    wait_for("another process", || {
        let now = gateway.children();
        (now.len() == 1 && now[0] != pid && is_alive(now[0])).then_some(())
    });
    wait_for("the sink to be up", || (gateway.sink("up", "p") == 1.0).then_some(()));
    assert_eq!(gateway.settled("p").restarts, 1.0);
    assert!(Path::new(&format!("/proc/{}", gateway.pid())).exists());
}
