//! The contest: relay and gateways in turn on one core, upstream and load on the other.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::gateway::{Gateway, Variant, four_sinks};
use crate::load::{Plan, Round, TURNS, round};
use crate::process::{Core, Running, resolution};
use crate::report::{Report, median};
use crate::streams;

/// Many and short: what else the machine does then hits all contestants of a round alike.
const ROUNDS: usize = 10;
const CONNECTIONS: usize = 16;
const SESSIONS: usize = 1000;

/// A process under test.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    process: Process,
    talk: Talk,
    cpu_per_request: Vec<f64>,
    rounds: Vec<Round>,
}

/// What its callers do.
#[derive(Clone, Copy)]
enum Talk {
    /// Each message is on its own.
    Messages,
    /// They name sessions, which the gateway keeps.
    Sessions,
    /// They send the whole history themselves: what reaches the upstream is the same as from a gateway with sessions.
    Histories,
}

enum Process {
    Relay(Running, u16),
    Gateway(Gateway),
}

impl Contestant {
    fn new(name: &'static str, process: Process, talk: Talk) -> Self {
        Self { name, process, talk, cpu_per_request: Vec::new(), rounds: Vec::new() }
    }

    pub(crate) fn running(&self) -> &Running {
        match &self.process {
            Process::Relay(running, _) => running,
            Process::Gateway(gateway) => &gateway.running,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        match &self.process {
            Process::Relay(_, port) => *port,
            Process::Gateway(gateway) => gateway.port,
        }
    }

    fn plan(&self, time: Duration) -> Plan {
        match self.talk {
            Talk::Messages => Plan::Messages(time),
            Talk::Sessions => Plan::Conversations(time),
            Talk::Histories => Plan::Histories(time),
        }
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    fn cpu(&self) -> f64 {
        median(self.cpu_per_request.iter().copied())
    }

    /// CPU per request against another's in the same round: median, least, most.
    fn against(&self, other: &Self) -> [f64; 3] {
        let pairs = self.cpu_per_request.iter().zip(&other.cpu_per_request);
        let ratios: Vec<f64> = pairs.map(|(own, other)| own / other).collect();
        let [least, most] = [f64::min, f64::max].map(|pick| ratios.iter().copied().reduce(pick));
        [median(ratios), least.unwrap_or_default(), most.unwrap_or_default()]
    }

    fn answers(&self) -> u64 {
        self.rounds.iter().map(|round| round.answers).sum()
    }
}

/// Runs everything, each contestant for `time`.
pub(crate) fn run(binary: &Path, time: Duration, report: &mut Report) -> anyhow::Result<()> {
    let (_upstream, upstream) = Running::helper(&["upstream"], Core::Rest)?;
    let relay = |name, talk| {
        let (relay, port) = Running::helper(&["relay", &upstream.to_string()], Core::Contestant)?;
        anyhow::Ok(Contestant::new(name, Process::Relay(relay, port), talk))
    };
    let all = four_sinks()?;
    let plain = Variant { sinks: json!([]), persistence: "memory", tools: false, upstream };
    let observed = Variant { sinks: all, ..plain.clone() };
    let durable = Variant { persistence: "durable", ..observed.clone() };
    let gateway = |name, variant, talk| {
        let gateway = Gateway::start(binary, variant, Core::Contestant).context(name)?;
        anyhow::Ok(Contestant::new(name, Process::Gateway(gateway), talk))
    };
    let mut contestants = [
        relay("bare relay, hyper to hyper", Talk::Messages)?,
        relay("bare relay, callers send histories", Talk::Histories)?,
        gateway("no sinks, nothing kept", &plain, Talk::Messages)?,
        gateway("four sinks, nothing kept", &observed, Talk::Messages)?,
        gateway("four sinks, sessions in memory", &observed, Talk::Sessions)?,
        gateway("four sinks, durable sessions", &durable, Talk::Sessions)?,
        gateway("the same, all tools offered", &Variant { tools: true, ..durable.clone() }, Talk::Sessions)?,
    ];
    for _ in 0..ROUNDS {
        for contestant in &mut contestants {
            let before = contestant.running().cpu()?;
            let round = round(contestant.port(), CONNECTIONS, contestant.plan(time / u32::try_from(ROUNDS)?))
                .with_context(|| contestant.name)?;
            let used = contestant.running().cpu()? - before;
            contestant.cpu_per_request.push(used * 1e6 / round.answers as f64);
            contestant.rounds.push(round);
        }
    }
    throughput(&contestants, time, report)?;
    latency(&contestants, time / 20, report)?;
    streams::run(&[&contestants[0], &contestants[3]], ROUNDS / 2, time / 10, CONNECTIONS, report)?;
    drop(contestants);
    memory(&Gateway::start(binary, &durable, Core::Contestant)?, report)
}

fn throughput(contestants: &[Contestant], time: Duration, report: &mut Report) -> anyhow::Result<()> {
    let [relay, histories, none, all, in_memory, durable, _] = contestants else {
        anyhow::bail!("seven contestants were expected");
    };
    let mut rows = Vec::new();
    for contestant in contestants {
        if let Process::Gateway(gateway) = &contestant.process
            && !std::ptr::eq(contestant, none)
        {
            let (told, counted) = (gateway.messages()?, contestant.answers());
            anyhow::ensure!(told == counted, "{}: {told} messages, not {counted}", contestant.name);
        }
        let bytes: u64 = contestant.rounds.iter().map(|round| round.bytes).sum();
        let [ratio, least, most] = contestant.against(relay);
        rows.push((
            contestant.name,
            vec![
                contestant.median(Round::per_second),
                contestant.cpu(),
                ratio,
                least,
                most,
                contestant.against(none)[0],
                contestant.median(|round| round.micros(0.5)),
                contestant.median(|round| round.micros(0.99)),
                contestant.running().memory()?.peak,
                contestant.answers() as f64,
                bytes as f64 / contestant.answers() as f64,
            ],
        ));
    }
    let round = time.as_secs_f64() / ROUNDS as f64;
    let title = format!(
        "{ROUNDS} interleaved rounds of {round:.1} s, {CONNECTIONS} connections, conversations of {TURNS} messages, \
         medians; CPU time is counted in steps of {:.0} ms; answers equal /metrics exactly:",
        resolution() * 1e3
    );
    let head = [
        "Contestant",
        "requests/s",
        "CPU us/request",
        "against relay",
        "least",
        "most",
        "against no sinks",
        "p50 us",
        "p99 us",
        "peak RSS MiB",
        "answers",
        "bytes each",
    ];
    report.table(&title, &head, &rows);
    report.at_most("CPU, single messages, four sinks, against relay", all.against(relay)[0], 2.5, 1.7);
    report.at_most(
        "CPU, sessions in memory, four sinks, against relay of histories",
        in_memory.against(histories)[0],
        2.5,
        1.7,
    );
    report.at_most(
        "CPU, durable sessions, four sinks, against relay of histories",
        durable.against(histories)[0],
        4.0,
        2.5,
    );
    report.at_most("telemetry tax: CPU, four sinks against none", all.against(none)[0], 1.15, 1.06);
    Ok(())
}

/// Latency at a low rate: one caller.
fn latency(contestants: &[Contestant], time: Duration, report: &mut Report) -> anyhow::Result<()> {
    let mut rounds: Vec<Vec<Round>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (contestant, rounds) in contestants.iter().zip(&mut rounds) {
            rounds.push(round(contestant.port(), 1, contestant.plan(time))?);
        }
    }
    let quantile = |rounds: &[Round], q| median(rounds.iter().map(|round| round.micros(q)));
    let p50: Vec<f64> = rounds.iter().map(|rounds| quantile(rounds, 0.5)).collect();
    let rows: Vec<_> = contestants
        .iter()
        .zip(&rounds)
        .zip(&p50)
        .map(|((c, rounds), half)| (c.name, vec![*half, quantile(rounds, 0.99), half / p50[0]]))
        .collect();
    report.table("One connection:", &["Contestant", "p50 us", "p99 us", "p50 against relay"], &rows);
    report.at_most("latency p50, four sinks, nothing kept, against relay", p50[3] / p50[0], 1.5, 1.15);
    Ok(())
}

/// Memory with many conversations, in a gateway that has done nothing else.
fn memory(gateway: &Gateway, report: &mut Report) -> anyhow::Result<()> {
    let idle = gateway.running.memory()?.now;
    let round = round(gateway.port, CONNECTIONS, Plan::Sessions(SESSIONS))?;
    let told = gateway.messages()?;
    anyhow::ensure!(told == round.answers, "{told} messages, not {}", round.answers);
    let memory = gateway.running.memory()?;
    report.table(
        &format!("{SESSIONS} durable sessions of {TURNS} messages at the same time, four sinks, {CONNECTIONS} connections:"),
        &["", "RSS before MiB", "after MiB", "peak MiB", "messages/s"],
        &[("gateway", vec![idle, memory.now, memory.peak, round.per_second()])],
    );
    report.at_most("RSS under load with 1,000 sessions, MiB", memory.peak, 25.0, 12.0);
    Ok(())
}
