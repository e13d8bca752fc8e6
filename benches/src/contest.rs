//! The contest: relay and gateway in turn, pinned to one core, the rest on the other.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use procfs::process::Process;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::{Round, round};
use crate::say;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 16;

/// A process under test.
struct Contestant {
    name: &'static str,
    child: Child,
    port: u16,
    /// Whether its callers name sessions.
    sessions: bool,
    cpu_per_request: Vec<f64>,
    rounds: Vec<Round>,
    _home: Option<TempDir>,
}

impl Drop for Contestant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs everything and prints the tables.
pub(crate) fn run(binary: &Path) -> anyhow::Result<()> {
    say(&format!("binary: {:.1} MB", fs::metadata(binary)?.len() as f64 / 1e6));
    start_and_rest(binary)?;
    let (_upstream, upstream) = helper(&["upstream"], "0")?;
    let (relay, relay_port) = helper(&["relay", &upstream.to_string()], "1")?;
    let agent = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let all = json!([
        { "type": "prometheus" }, { "type": "newrelic" }, { "type": "jsonlog" },
        { "type": "datadog", "options": { "address": agent.local_addr()?.to_string() } },
    ]);
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while agent.recv(&mut bytes).is_ok() {}
    });
    let mut contestants = vec![
        contestant("bare relay, hyper to hyper", relay, relay_port, false, None),
        gateway(binary, "no sinks, nothing kept", upstream, &json!([]), "memory", false)?,
        gateway(binary, "four sinks, nothing kept", upstream, &all, "memory", false)?,
        gateway(binary, "four sinks, sessions in memory", upstream, &all, "memory", true)?,
        gateway(binary, "four sinks, durable sessions", upstream, &all, "durable", true)?,
    ];
    for _ in 0..ROUNDS {
        for contestant in &mut contestants {
            let before = cpu(&contestant.child)?;
            let round = round(contestant.port, CONNECTIONS, contestant.sessions, ROUND)
                .with_context(|| contestant.name)?;
            let used = cpu(&contestant.child)? - before;
            contestant.cpu_per_request.push(used * 1e6 / round.answers as f64);
            contestant.rounds.push(round);
        }
    }
    report(&mut contestants)?;
    latency(&contestants)
}

fn report(contestants: &mut [Contestant]) -> anyhow::Result<()> {
    say(&format!(
        "\n{ROUNDS} interleaved rounds of {} s, {CONNECTIONS} connections, medians:",
        ROUND.as_secs()
    ));
    say("| Contestant | requests/s | CPU us/request | against relay | p50 us | p99 us | peak RSS MB |");
    say("|---|---|---|---|---|---|---|");
    let relay = median(&mut contestants[0].cpu_per_request.clone());
    let mut cpus = Vec::new();
    for contestant in contestants.iter_mut() {
        let cpu = median(&mut contestant.cpu_per_request);
        cpus.push(cpu);
        let per_second = |round: &Round| round.answers as f64 / round.elapsed.as_secs_f64();
        let rate = median(&mut contestant.rounds.iter().map(per_second).collect::<Vec<_>>());
        let micros = |q: f64| {
            let of_round = |round: &Round| round.quantile(q).as_secs_f64() * 1e6;
            contestant.rounds.iter().map(of_round).collect::<Vec<_>>()
        };
        let (p50, p99) = (median(&mut micros(0.5)), median(&mut micros(0.99)));
        let peak = status(&contestant.child, "VmHWM")?;
        say(&format!(
            "| {} | {rate:.0} | {cpu:.1} | {:.2}x | {p50:.0} | {p99:.0} | {peak:.1} |",
            contestant.name,
            cpu / relay
        ));
    }
    verdict("CPU, sinks, sessions in memory, against relay", cpus[3] / relay, 2.5, 1.7);
    verdict("CPU, sinks, durable sessions, against relay", cpus[4] / relay, 4.0, 2.5);
    verdict("telemetry tax: four sinks against none", cpus[2] / cpus[1], 1.15, 1.06);
    verdict("RSS under load, MB", status(&contestants[4].child, "VmHWM")?, 25.0, 12.0);
    Ok(())
}

/// Latency at a low rate: one caller.
fn latency(contestants: &[Contestant]) -> anyhow::Result<()> {
    let mut p50 = vec![Vec::new(); contestants.len()];
    for _ in 0..ROUNDS {
        for (contestant, p50) in contestants.iter().zip(&mut p50) {
            let round = round(contestant.port, 1, contestant.sessions, Duration::from_secs(1))?;
            p50.push(round.quantile(0.5).as_secs_f64() * 1e6);
        }
    }
    let p50: Vec<f64> = p50.iter_mut().map(|p50| median(p50)).collect();
    say("\nOne connection, median latency in us:");
    contestants.iter().zip(&p50).for_each(|(c, p50)| say(&format!("  {:<42} {p50:.0}", c.name)));
    verdict("latency p50, nothing kept, against relay", p50[2] / p50[0], 1.5, 1.15);
    Ok(())
}

/// From the start of the process to the first 200, and memory at rest.
fn start_and_rest(binary: &Path) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for _ in 0..15 {
        let port = free_port()?;
        let home = home(&json!({ "gateway": { "port": port, "host": "127.0.0.1" } }))?;
        let began = Instant::now();
        let mut child = command(binary, home.path()).spawn()?;
        while !healthy(port) {
            anyhow::ensure!(began.elapsed() < Duration::from_secs(10), "the gateway does not start");
            std::thread::sleep(Duration::from_micros(100));
        }
        times.push(began.elapsed().as_secs_f64() * 1e3);
        if times.len() == 15 {
            std::thread::sleep(Duration::from_secs(3));
            verdict("idle RSS, default sinks, MB", status(&child, "VmRSS")?, 8.0, 5.0);
        }
        child.kill()?;
        child.wait()?;
    }
    verdict("start to first 200, ms (median)", median(&mut times), 10.0, 3.0);
    Ok(())
}

fn healthy(port: u16) -> bool {
    use std::io::{Read, Write};
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains(" 200 "))
}

fn gateway(
    binary: &Path,
    name: &'static str,
    upstream: u16,
    sinks: &Value,
    persistence: &str,
    sessions: bool,
) -> anyhow::Result<Contestant> {
    let port = free_port()?;
    let model = json!({
        "model_name": "m", "provider": "openai", "model": "m", "api_base": format!("http://127.0.0.1:{upstream}/v1"),
        "streaming": { "enabled": false },
    });
    let home = home(&json!({
        "gateway": { "port": port, "host": "127.0.0.1" },
        "model_list": [model],
        "agents": { "defaults": { "model_name": "m" } },
        "tools": { "read_file": { "enabled": false }, "write_file": { "enabled": false },
                   "list_dir": { "enabled": false }, "web_fetch": { "enabled": false } },
        "session": { "persistence": persistence },
        "telemetry": { "sinks": sinks },
    }))?;
    let child = pinned(binary, home.path(), "1").spawn()?;
    let began = Instant::now();
    while !healthy(port) {
        anyhow::ensure!(began.elapsed() < Duration::from_secs(10), "{name} does not start");
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(contestant(name, child, port, sessions, Some(home)))
}

fn contestant(
    name: &'static str,
    child: Child,
    port: u16,
    sessions: bool,
    home: Option<TempDir>,
) -> Contestant {
    Contestant { name, child, port, sessions, cpu_per_request: Vec::new(), rounds: Vec::new(), _home: home }
}

fn home(config: &Value) -> anyhow::Result<TempDir> {
    let home = tempfile::tempdir()?;
    fs::write(home.path().join("config.json"), config.to_string())?;
    Ok(home)
}

fn command(binary: &Path, home: &Path) -> Command {
    let mut command = Command::new(binary);
    command.arg("gateway").env("PICOCLAW_HOME", home).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn pinned(binary: &Path, home: &Path, core: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(binary).arg("gateway");
    command.env("PICOCLAW_HOME", home).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Starts this very program in another mode and reads the port that it prints.
fn helper(mode: &[&str], core: &str) -> anyhow::Result<(Child, u16)> {
    let mut child = Command::new("taskset")
        .args(["-c", core])
        .arg(std::env::current_exe()?)
        .args(mode)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    Ok((child, line.trim().parse()?))
}

fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// CPU seconds of a process.
fn cpu(child: &Child) -> anyhow::Result<f64> {
    let stat = Process::new(i32::try_from(child.id())?)?.stat()?;
    Ok((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}

/// A memory figure of a process in MB.
fn status(child: &Child, key: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = text.lines().find(|line| line.starts_with(key)).context("no such figure")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib / 1024.0)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn verdict(what: &str, value: f64, floor: f64, stretch: f64) {
    let word = match value {
        v if v <= stretch => "better than the stretch goal",
        v if v <= floor => "ok",
        _ => "MISSED",
    };
    say(&format!("{what}: {value:.2} (at most {floor}, stretch {stretch}): {word}"));
}
