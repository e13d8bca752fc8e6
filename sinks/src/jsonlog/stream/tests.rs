use super::*;
use std::io::Read;
use std::os::fd::OwnedFd;

fn batch(number: u64, lines: std::ops::Range<u64>) -> Vec<Bytes> {
    let mut block = Vec::new();
    for n in lines {
        block::push(block::Meaning::EVENT, &mut block, |out| {
            out.extend_from_slice(format!("line {n}").as_bytes());
        });
    }
    vec![block::first_frame(number), Bytes::from(block)]
}

fn on(fd: OwnedFd) -> LogStream {
    let file = File::from(fd);
    let open = Box::new(move || file.try_clone());
    LogStream::with("test", open, Format::Text, Arc::default())
}

#[test]
fn a_full_pipe_tears_no_line_and_doubles_none() {
    let (read, write) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&write, true).unwrap();
    let mut stream = on(write.into());
    let first = batch(1, 0..20_000);
    let mut reader = File::from(OwnedFd::from(read));
    let mut text = Vec::new();
    while let Err(error) = stream.write(&first) {
        assert!(error.to_string().starts_with("test: "), "{error}");
        let mut some = vec![0; 10_007];
        let n = reader.read(&mut some).unwrap();
        text.extend_from_slice(&some[..n]);
    }
    drop(stream);
    reader.read_to_end(&mut text).unwrap();
    let expected: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    assert!(String::from_utf8(text).unwrap() == expected);
}

#[test]
fn a_closed_pipe_is_an_error_and_no_death() {
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let error = on(write.into()).write(&batch(1, 0..2)).unwrap_err();
    assert!(error.to_string().contains("Broken pipe"), "{error}");
}
