//! What an event costs on its way into a plugin, in both modes, on each side.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use picoclaw_plugin::loader::{BatchMemory, EventBatch};
use picoclaw_sinks::Built;
use picoclaw_sinks::plugin::host::process::{self, HostOptions};
use picoclaw_sinks::plugin::wire;
use picoclaw_telemetry::sink::{Batch, Sink};
use picoclaw_telemetry::{Bus, Record};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::report::Report;
use crate::{Workload, compare, scene, timed};

/// Events that are encoded before they are sealed.
const CHUNK: usize = 256;

/// Events of a workload.
const EVENTS: usize = 80 * CHUNK;

/// This program hosts plugins too, as the gateway does: the arguments of a host, if these are some.
pub(crate) fn host(arguments: &[String]) -> Option<ExitCode> {
    let [subcommand, _, name, _, memory, _, files] = arguments else { return None };
    if subcommand != process::SUBCOMMAND {
        return None;
    }
    let options = HostOptions {
        name: name.clone(),
        memory_mb: memory.parse().ok()?,
        open_files: files.parse().ok()?,
        program: Vec::new(),
    };
    Some(process::run(&options).unwrap_or(ExitCode::FAILURE))
}

/// The plugin that does nothing, beside this program.
fn library() -> PathBuf {
    let program = std::env::current_exe().expect("a program has a path");
    program.with_file_name("libpicoclaw_plugin_drill.so")
}

/// A plugin sink at work.
struct Plugin {
    built: Built,
    record: Record,
    runtime: Runtime,
}

impl Plugin {
    fn new(isolation: &str) -> Self {
        let bus = Bus::default();
        let event = scene::reply(scene::channel(&bus), &"session-1".into());
        let options = json!({ "path": library(), "isolation": isolation });
        let mut built = scene::sink("plugin", &options, &bus);
        built.sink.start(&bus.checkpoint());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let mut plugin = Self { built, record: scene::record(1, event), runtime };
        let transport = plugin.built.transport.as_mut().expect("a plugin has a transport");
        if let Err(error) = plugin.runtime.block_on(transport.probe()) {
            panic!("{}: {error}", library().display());
        }
        plugin
    }

    /// From the record to the acknowledgement.
    fn deliver(&mut self) -> usize {
        let transport = self.built.transport.as_mut().expect("a plugin has a transport");
        for _ in 0..EVENTS / CHUNK {
            encode(self.built.sink.as_mut(), &mut self.record);
            while let Some(mut batch) = self.built.sink.seal(false) {
                let sent = self.runtime.block_on(transport.send(&mut batch));
                sent.expect("the plugin takes everything");
                self.built.sink.acknowledged();
            }
        }
        EVENTS
    }
}

fn encode(sink: &mut dyn Sink, record: &mut Record) {
    for _ in 0..CHUNK {
        record.seq += 1;
        black_box(sink.record(record));
    }
}

/// Encodes only: the batch is sealed and forgotten.
fn encoded(sink: &mut dyn Sink, record: &mut Record) -> Vec<Batch> {
    let mut batches = Vec::new();
    for _ in 0..EVENTS / CHUNK {
        encode(sink, record);
        batches.extend(std::iter::from_fn(|| sink.seal(false)));
    }
    batches
}

/// The events of batches, as a host receives them.
fn payloads(batches: &[Batch]) -> Vec<(u32, Bytes)> {
    let pairs = batches.iter().flat_map(|batch| batch.frames.chunks_exact(2));
    let payload = |pair: &[Bytes]| {
        let count: [u8; 4] = pair[0][pair[0].len() - 4..].try_into().expect("four bytes");
        (u32::from_le_bytes(count), pair[1].clone())
    };
    pairs.map(payload).collect()
}

fn decode(payloads: &[(u32, Bytes)]) -> usize {
    let mut memory = BatchMemory::default();
    let mut events = 0;
    for (count, bytes) in payloads {
        let mut batch = EventBatch::new(&mut memory, 0);
        wire::read(bytes, *count, &mut batch).expect("the sink has written them");
        events += black_box(batch.len());
    }
    events
}

/// CPU time of this whole process.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// CPU time of the processes that this one has started.
fn children_cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    let nanos = children
        .collect::<String>()
        .split_whitespace()
        .map(|pid| {
            let times = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
            times.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0)
        })
        .sum();
    Duration::from_nanos(nanos)
}

/// A workload on several threads or processes, by the CPU time that `spent` knows of.
fn spent<'a>(spent: fn() -> Duration, mut work: impl FnMut() -> usize + 'a) -> Workload<'a> {
    Box::new(move || {
        let began = spent();
        let units = work();
        (units, spent().saturating_sub(began))
    })
}

pub(crate) fn report(report: &mut Report) {
    let bus = Bus::default();
    let event = scene::reply(scene::channel(&bus), &"session-1".into());
    let mut record = scene::record(1, event);
    let mut sink = scene::sink("plugin", &json!({ "path": library() }), &bus).sink;
    sink.start(&bus.checkpoint());
    let received = payloads(&encoded(sink.as_mut(), &mut record));

    let mut thread = Plugin::new("in_process");
    let mut child = Plugin::new("process");
    let child = std::cell::RefCell::new(&mut child);
    let mut workloads: Vec<Workload<'_>> = vec![
        timed(|| {
            black_box(encoded(sink.as_mut(), &mut record));
            EVENTS
        }),
        timed(|| decode(&received)),
        spent(process_cpu, || thread.deliver()),
        spent(process_cpu, || child.borrow_mut().deliver()),
        spent(children_cpu, || child.borrow_mut().deliver()),
    ];
    let [encoding, decoding, in_process, ours, theirs] = compare(&mut workloads)[..] else { return };
    let rows = [
        ("encoded by the sink", encoding),
        ("decoded into the ABI's batch", decoding),
        ("in the gateway's process: both sides, threads and calls", in_process),
        ("in a process of its own: the gateway's side", ours),
        ("in a process of its own: the plugin's side", theirs),
    ];
    let rows = rows.map(|(name, ns)| (name, vec![ns]));
    report.table(
        "An event into a plugin that does nothing, batches of 256, acknowledged:",
        &["", "ns"],
        &rows,
    );
    report.at_most("plugin in its own process, the gateway's side, ns", ours, 100.0, 60.0);
}
