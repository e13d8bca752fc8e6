//! For which machine a file was built. The dynamic linker passes over libraries for others and says that there is no file.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Up to and with the machine.
const HEADER: usize = 20;

/// Why this file is no library for this machine; nothing when it is, or when this program cannot tell what it is itself.
pub(super) fn stranger(file: &File) -> Option<String> {
    let ours = header(&File::open("/proc/self/exe").ok()?)?;
    let Some(found) = header(file) else { return Some("not a shared library".to_owned()) };
    // Width, byte order and machine.
    let machine = |header: &[u8; HEADER]| (header[4], header[5], header[18], header[19]);
    (machine(&found) != machine(&ours)).then(|| {
        let (ours, found) = (std::env::consts::ARCH, name(&found));
        format!("built for {found}, and this gateway for {ours}; build the library for {ours}")
    })
}

fn header(file: &File) -> Option<[u8; HEADER]> {
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0).ok()?;
    header.starts_with(b"\x7fELF").then_some(header)
}

fn name(header: &[u8; HEADER]) -> &'static str {
    let number = [header[18], header[19]];
    let number = if header[5] == 2 { u16::from_be_bytes(number) } else { u16::from_le_bytes(number) };
    match (number, header[4]) {
        (3, _) => "x86",
        (22, _) => "s390x",
        (21, _) => "powerpc64",
        (40, _) => "arm",
        (62, 1) => "x32",
        (62, _) => "x86_64",
        (183, _) => "aarch64",
        (243, _) => "riscv",
        (258, _) => "loongarch",
        _ => "another machine",
    }
}
