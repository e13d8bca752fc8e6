use super::*;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A log in a folder of its own.
struct Log {
    file: LogFile,
    batches: u64,
    path: PathBuf,
}

impl Log {
    fn open(path: PathBuf, max_size_mb: f64) -> Self {
        let options = serde_json::json!({ "path": path, "max_size_mb": max_size_mb, "max_backups": 0 });
        let options: Options = serde_json::from_value(options).unwrap();
        Self { file: LogFile::new(path.clone(), &options, Arc::default()), batches: 0, path }
    }

    fn batch(&mut self, lines: std::ops::Range<u64>) -> Vec<Bytes> {
        self.batches += 1;
        let mut block = Vec::new();
        for n in lines {
            block::push(block::Meaning::EVENT, &mut block, |out| {
                out.extend_from_slice(format!("{{\"n\":{n}").as_bytes());
            });
        }
        vec![block::first_frame(self.batches), Bytes::from(block)]
    }

    fn write(&mut self, lines: std::ops::Range<u64>) {
        let batch = self.batch(lines);
        self.file.write(&batch).unwrap();
    }
}

/// `n` and `seq` of each line of a file; what is no line of ours is left out.
fn read(path: &Path) -> Vec<(u64, u64)> {
    let mut text = String::new();
    let mut file = File::open(path).unwrap();
    if path.extension().is_some_and(|end| end == "gz") {
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        file.read_to_string(&mut text).unwrap();
    }
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter_map(|line| Some((line["n"].as_u64()?, line["seq"].as_u64()?))).collect()
}

fn numbered(n: std::ops::Range<u64>, first: u64) -> Vec<(u64, u64)> {
    n.zip(first..).collect()
}

/// All lines of a log, rotated files first.
fn read_all(path: &Path) -> Vec<(u64, u64)> {
    let mut rotated: Vec<_> = tail::siblings(path).unwrap();
    rotated.sort();
    rotated.iter().map(PathBuf::as_path).chain([path]).flat_map(read).collect()
}

#[test]
fn folder_and_file_are_made_for_their_owner() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logs/deep/a.log");
    let mut log = Log::open(path.clone(), 0.0);
    log.file.probe().unwrap();
    assert!(!dir.path().join("logs").exists());
    log.write(0..3);
    assert_eq!(read(&path), numbered(0..3, 1));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777 & !0o640, 0);
}

#[test]
fn numbers_continue_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    Log::open(path.clone(), 0.0).write(0..3);
    Log::open(path.clone(), 0.0).write(3..5);
    assert_eq!(read(&path), numbered(0..5, 1));
    // Rotated by others while nobody wrote.
    fs::rename(&path, dir.path().join("a.log.1")).unwrap();
    Log::open(path.clone(), 0.0).write(5..6);
    assert_eq!(read(&path), numbered(5..6, 6));
}

#[test]
fn a_torn_line_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    fs::write(&path, "{\"n\":0,\"seq\":7}\n{\"n\":1,\"s").unwrap();
    Log::open(path.clone(), 0.0).write(1..2);
    assert_eq!(read(&path), [(0, 7), (1, 8)]);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
}

#[test]
fn rotation_loses_no_line_and_tears_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let mut log = Log::open(path.clone(), 0.001);
    for batch in 0..20 {
        log.write(batch * 10..batch * 10 + 10);
    }
    // After this one, other sweeps that may still run find nothing to do.
    log.file.archive.sweep();
    let is_plain = |file: &&PathBuf| file.extension().is_none_or(|end| end != "gz");
    let rotated = tail::siblings(&path).unwrap();
    assert_eq!(rotated.iter().filter(is_plain).count(), 1, "all but the newest are compressed");
    assert_eq!(read_all(&path), numbered(0..200, 1));
    for file in tail::siblings(&path).unwrap() {
        let name = file.to_string_lossy().into_owned();
        assert!(fs::metadata(&file).unwrap().len() <= 1048 && !name.ends_with(".log"), "{name}");
    }
}

#[test]
fn after_a_rotator_came_by_lines_go_to_the_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.log");
    let mut log = Log::open(path.clone(), 0.0);
    log.write(0..2);
    fs::rename(&path, dir.path().join("a.log.1")).unwrap();
    log.file.reopen().unwrap();
    log.write(2..4);
    assert_eq!(read(&dir.path().join("a.log.1")), numbered(0..2, 1));
    assert_eq!(read(&path), numbered(2..4, 3));
}

#[test]
fn a_file_that_somebody_took_away_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(dir.path().join("a.log"), 0.0);
    log.write(0..2);
    fs::remove_file(&log.path).unwrap();
    log.file.looked = Instant::now().checked_sub(LOOK_EVERY).unwrap();
    log.write(2..4);
    assert_eq!(read(&log.path), numbered(2..4, 3));
}

#[test]
fn an_impossible_place_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let mut log = Log::open(file.join("a.log"), 0.0);
    for result in [log.file.probe(), log.file.reopen()] {
        let Err(SendError::Retry { message, .. }) = result else {
            panic!("{result:?}");
        };
        assert!(message.contains("file/a.log"), "{message}");
    }
    let mut folder = Log::open(dir.path().to_owned(), 0.0);
    assert!(folder.file.probe().is_err());
}

#[test]
fn what_forbids_the_file_is_what_the_error_says() {
    let disk = SmallDisk::mount();
    let remount = ["-o", "remount,ro"].map(str::to_owned);
    let mut mount = std::process::Command::new("mount");
    assert!(mount.args(remount).arg(disk.0.path()).status().unwrap().success());
    let mut log = Log::open(disk.0.path().join("a.log"), 0.0);
    let batch = log.batch(0..1);
    let error = log.file.write(&batch).unwrap_err().to_string();
    assert!(error.contains("Read-only file system"), "{error}");
}

/// A disk of 64 KiB, as long as it lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(dir.path());
        assert!(mount.status().unwrap().success(), "this test needs the right to mount a tmpfs");
        Self(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_tears_no_line_and_doubles_none() {
    let disk = SmallDisk::mount();
    let filler = disk.0.path().join("filler");
    fs::write(&filler, vec![0; 56 * 1024]).unwrap();
    let path = disk.0.path().join("a.log");
    let mut log = Log::open(path.clone(), 0.0);
    let batch = log.batch(0..2000);
    let error = log.file.write(&batch).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    let lines = read(&path).len();
    assert!(lines > 0 && lines < 2000, "{lines}");
    assert!(log.file.write(&batch).is_err());
    fs::remove_file(&filler).unwrap();
    log.file.write(&batch).unwrap();
    log.write(2000..2010);
    assert_eq!(read(&path), numbered(0..2010, 1));
}

#[test]
fn a_device_without_space_is_an_error_and_never_rotated() {
    let mut log = Log::open(PathBuf::from("/dev/full"), 0.001);
    let batch = log.batch(0..5);
    assert!(matches!(log.file.write(&batch), Err(SendError::Retry { .. })));
    assert!(log.file.write(&batch).is_err());
}
