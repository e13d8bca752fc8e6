use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::abi::{self, Descriptor, Text};
use crate::{Batch, Event, Failure, Host, Level, Plugin, ToolSpec, Tools, Value};

/// Does what its configuration says.
struct Obedient {
    order: String,
    seen: Vec<String>,
    host: Host,
}

impl Plugin for Obedient {
    fn create(host: Host, config: &str) -> Result<Self, Failure> {
        match config {
            "panic in create" => panic!("no {config}"),
            "refuse" => Err(Failure::Config("order: unknown".to_owned())),
            order => Ok(Self { order: order.to_owned(), seen: Vec::new(), host }),
        }
    }

    fn on_events(&mut self, batch: &Batch<'_>) -> Result<(), Failure> {
        match self.order.as_str() {
            "panic in on_events" => panic!("at {}", batch.len()),
            "retry" => return Err(Failure::Retry("not now".to_owned())),
            "lose" => return Err(Failure::Lost("never".to_owned())),
            _ => {}
        }
        self.seen.extend(batch.events().map(|event| line(event)));
        self.host.log(Level::Warn, &format!("{}|{}", batch.dropped_before(), self.seen.join("\n")));
        Ok(())
    }

    fn flush(&mut self, within: Duration) -> Result<(), Failure> {
        assert_ne!(self.order, "panic in flush", "within {within:?}");
        Ok(())
    }

    fn health(&mut self) -> Result<(), Failure> {
        assert_ne!(self.order, "panic in health");
        Err(Failure::Lost("so so".to_owned()))
    }
}

impl Drop for Obedient {
    fn drop(&mut self) {
        self.host.log(Level::Debug, "dropped");
        assert_ne!(self.order, "panic in drop");
    }
}

impl Tools for Obedient {
    fn tools(&self) -> Vec<ToolSpec> {
        let parameters = r#"{"type":"object"}"#.to_owned();
        vec![ToolSpec { name: "shout".to_owned(), description: "Says it \"loudly\".".to_owned(), parameters }]
    }

    fn call(&mut self, name: &str, arguments: &str) -> Result<String, Failure> {
        match arguments {
            "panic" => panic!("in {name}"),
            "long" => Ok("x".repeat(2_000_000)),
            text => Ok(text.to_uppercase()),
        }
    }
}

fn line(event: Event<'_>) -> String {
    let mut out = format!("{} {} {} {}", event.seq(), event.level().as_str(), event.kind(), event.message());
    for (key, value) in event.attributes() {
        match value {
            Value::Text(text) => out.push_str(&format!(" {key}={text}")),
            Value::Count(n) => out.push_str(&format!(" {key}={n}")),
            Value::Duration(time) => out.push_str(&format!(" {key}={time:?}")),
        }
    }
    out
}

static DESCRIPTOR: Descriptor = crate::private::descriptor_with_tools::<Obedient>("obedient", "1.2.3");

type Lines = Arc<Mutex<Vec<String>>>;

fn instance(order: &str) -> (Result<Instance, CallError>, Lines) {
    // SAFETY: the descriptor is a static of this test.
    let library = unsafe { Library::describe(&DESCRIPTOR) }.unwrap();
    let lines = Lines::default();
    let log: Log = {
        let lines = Arc::clone(&lines);
        Arc::new(move |level, text: &str| lines.lock().unwrap().push(format!("{} {text}", level.as_str())))
    };
    (Instance::create(&library, order, log), lines)
}

fn events(instance: &mut Instance) -> Result<(), CallError> {
    let mut memory = BatchMemory::default();
    let mut batch = EventBatch::new(&mut memory, 7);
    for seq in 1..=2 {
        batch.push(EventFacts {
            seq,
            time_unix_ns: 1,
            level: Level::Info,
            kind: "a.b",
            component: "main",
            message: "Wörds",
        });
        batch.attribute("text", Value::Text("ü"));
        batch.attribute("n", Value::Count(seq));
        batch.attribute("time", Value::Duration(Duration::from_millis(3)));
    }
    instance.on_events(&mut batch)
}

#[test]
fn events_arrive_as_they_were() {
    let (instance, lines) = instance("");
    let mut instance = instance.unwrap();
    events(&mut instance).unwrap();
    drop(instance);
    let expected = "warn 7|1 info a.b Wörds text=ü n=1 time=3ms\n2 info a.b Wörds text=ü n=2 time=3ms";
    assert_eq!(*lines.lock().unwrap(), [expected, "debug dropped"]);
}

#[test]
fn failures_have_their_kind() {
    let (refused, _) = instance("refuse");
    assert_eq!(refused.unwrap_err(), CallError::Config("order: unknown".to_owned()));
    assert_eq!(
        events(&mut instance("retry").0.unwrap()).unwrap_err(),
        CallError::Retry("not now".to_owned())
    );
    assert_eq!(events(&mut instance("lose").0.unwrap()).unwrap_err(), CallError::Lost("never".to_owned()));
    assert_eq!(instance("").0.unwrap().health().unwrap_err(), CallError::Lost("so so".to_owned()));
}

#[test]
fn a_panic_says_where_and_ends_the_instance() {
    let (made, lines) = instance("panic in create");
    assert!(matches!(made.unwrap_err(), CallError::Panicked(_)));
    assert!(lines.lock().unwrap()[0].contains("tests.rs"), "{lines:?}");
    type Call = fn(&mut Instance) -> Result<(), CallError>;
    let calls: [(&str, Call); 3] = [
        ("panic in on_events", events),
        ("panic in flush", |instance| instance.flush(Duration::ZERO)),
        ("panic in health", Instance::health),
    ];
    for (order, call) in calls {
        let (instance, lines) = instance(order);
        let mut instance = instance.unwrap();
        let CallError::Panicked(text) = call(&mut instance).unwrap_err() else { panic!("{order}") };
        assert!(text.contains("tests.rs:"), "{text}");
        assert!(lines.lock().unwrap()[0].starts_with("error panicked at"), "{lines:?}");
        let again = CallError::Panicked("the plugin has panicked before".to_owned());
        assert_eq!(events(&mut instance).unwrap_err(), again);
        drop(instance);
        assert_eq!(lines.lock().unwrap().len(), 1, "a poisoned instance is not dropped");
    }
    let (instance, lines) = instance("panic in drop");
    drop(instance);
    assert!(lines.lock().unwrap()[1].contains("panic in drop"), "{lines:?}");
}

#[test]
fn tools_answer_and_fail() {
    let (instance, _) = instance("");
    let mut instance = instance.unwrap();
    assert_eq!(
        instance.tools().unwrap(),
        r#"[{"name":"shout","description":"Says it \"loudly\".","parameters":{"type":"object"}}]"#
    );
    assert_eq!(instance.call("shout", "ah").unwrap(), "AH");
    assert_eq!(
        instance.call("shout", "long").unwrap_err(),
        CallError::Lost("the reply is too long".to_owned())
    );
    assert!(matches!(instance.call("shout", "panic").unwrap_err(), CallError::Panicked(_)));
}

/// What is wrong with a changed copy of the descriptor.
fn problem(change: impl FnOnce(&mut Descriptor)) -> String {
    let mut descriptor = crate::private::descriptor::<Obedient>("obedient", "1.2.3");
    change(&mut descriptor);
    // SAFETY: the descriptor outlives the call, and its texts are static.
    unsafe { Library::describe(&descriptor) }.map_or_else(|problem| problem, |_| String::new())
}

#[test]
fn other_descriptors_are_refused() {
    assert_eq!(problem(|_| {}), "");
    assert!(problem(|d| d.magic = 1).contains("PCLW"));
    assert!(problem(|d| d.major = 2).contains("built for ABI 2"));
    assert!(problem(|d| d.size = 95).contains("95 bytes"));
    assert!(problem(|d| d.create = None).contains("no create"));
    assert!(problem(|d| d.destroy = None).contains("no destroy"));
    assert!(problem(|d| d.on_events = None).contains("no on_events"));
    // Whoever was built with a longer header works on.
    assert_eq!(problem(|d| (d.size, d.minor) = (4096, 9)), "");
    assert_eq!(problem(|d| (d.flush, d.health) = (None, None)), "");
    // SAFETY: NULL is allowed.
    assert!(unsafe { Library::describe(std::ptr::null()) }.unwrap_err().contains("refuses"));
}

/// A host of a later minor version, whose events and attributes are longer.
#[test]
fn longer_events_are_walked_by_their_stride() {
    #[repr(C)]
    struct Longer<T>(T, [u64; 3]);
    let text = Text::new("x");
    let attribute =
        |number| abi::Attribute { key: text, kind: abi::PICOCLAW_COUNT, reserved: 0, text, number };
    let unknown = abi::Attribute { kind: 99, ..attribute(0) };
    let attributes = [Longer(attribute(1), [9; 3]), Longer(unknown, [9; 3]), Longer(attribute(2), [9; 3])];
    let event = |seq| abi::Event {
        seq,
        time_unix_ns: 0,
        kind: text,
        component: text,
        message: text,
        level: 77,
        attribute_count: 3,
        attributes: (&raw const attributes).cast(),
    };
    let events = [Longer(event(1), [9; 3]), Longer(event(2), [9; 3])];
    let raw = abi::Batch {
        size: 999,
        event_stride: size_of::<Longer<abi::Event>>() as u32,
        attribute_stride: size_of::<Longer<abi::Attribute>>() as u32,
        count: 2,
        dropped_before: 0,
        events: (&raw const events).cast(),
    };
    // SAFETY: the batch is as its strides say, and everything outlives it.
    let batch = unsafe { Batch::new(&raw) }.unwrap();
    let lines: Vec<_> = batch.events().map(|event| line(event)).collect();
    assert_eq!(lines, ["1 error x x x=1 x=2", "2 error x x x=1 x=2"]);
    let shorter = abi::Batch { event_stride: 8, ..raw };
    // SAFETY: as above.
    assert!(unsafe { Batch::new(&shorter) }.is_none());
}

fn refusal(path: &Path, sha256: Option<&str>) -> String {
    Library::load(path, sha256).unwrap_err().to_string()
}

#[test]
#[cfg_attr(miri, ignore = "loads files")]
fn only_files_that_can_be_trusted_are_loaded() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("plugin.so");
    assert!(refusal(Path::new("plugin.so"), None).contains("absolute"));
    assert!(refusal(&file, None).contains("No such file"));
    assert!(refusal(home.path(), None).contains("not a regular file"));
    std::fs::write(&file, "no library").unwrap();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    mode(&file, 0o644);
    let link = home.path().join("link.so");
    symlink(&file, &link).unwrap();
    assert!(refusal(&link, None).contains("symbolic link"));
    let wrong = refusal(&file, Some("00"));
    assert!(wrong.contains("sha256 is"), "{wrong}");
    let right = wrong.split("sha256 is ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let refused = refusal(&file, Some(&right.to_uppercase()));
    assert!(refused.ends_with("plugin.so: not a shared library"), "{refused}");
    mode(&file, 0o666);
    assert!(refusal(&file, None).contains("writable by others (mode 0666)"));
    mode(&file, 0o644);
    mode(home.path(), 0o777);
    assert!(refusal(&file, None).contains("writable by others (mode 0777)"));
    mode(home.path(), 0o700);
    // A directory that others may write to is none the better for being reached through a link.
    let open = home.path().join("open");
    std::fs::create_dir_all(open.join("inner")).unwrap();
    std::fs::copy(&file, open.join("inner/plugin.so")).unwrap();
    mode(&open, 0o777);
    symlink(open.join("inner"), home.path().join("folder")).unwrap();
    let refused = refusal(&home.path().join("folder/plugin.so"), None);
    assert!(refused.contains("open: writable by others (mode 0777)"), "{refused}");
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "loads files")]
fn a_library_for_another_machine_is_called_so() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("plugin.so");
    let mut header = std::fs::read("/proc/self/exe").unwrap();
    header.truncate(4096);
    let machine = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    (header[18], header[19]) = (machine, 0);
    std::fs::write(&file, header).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let refused = refusal(&file, None);
    assert!(refused.contains(": built for ") && refused.contains("; build the library for "), "{refused}");
    // And one that is tried again and again takes up nothing.
    assert_eq!(open_files(&file), 0);
}

/// How often this process has a file open.
#[cfg(target_os = "linux")]
fn open_files(file: &Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|found| found == file)).count()
}

#[test]
#[cfg_attr(miri, ignore = "loads files")]
fn another_library_is_no_plugin() {
    let libc = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc = libc.lines().find_map(|line| line.split_whitespace().last().filter(|p| p.contains("libc.so")));
    // Statically linked tests have none.
    let Some(libc) = libc else { return };
    let libc = std::fs::canonicalize(libc).unwrap();
    for _ in 0..3 {
        assert!(refusal(&libc, None).contains("not a plugin"));
    }
    // It stays open, as long as it is loaded, but once.
    #[cfg(target_os = "linux")]
    assert_eq!(open_files(&libc), 1);
}
