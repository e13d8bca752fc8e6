//! The C header is that of the code; `UPDATE_DOCS=1` writes it.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

const INTRODUCTION: &str = "\
/* The plugin interface of PicoClaw, version 1: see docs/plugins.md.
 *
 * A plugin is a shared library that exports
 *
 *     const PicoclawDescriptor *picoclaw_plugin_entry(uint32_t host_major, uint32_t host_minor);
 *
 * Generated from plugins/sdk/src/abi.rs: do not edit.
 */";

fn generated() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names =
        ["Text", "ErrorText", "Attribute", "Event", "Batch", "Host", "Descriptor", "Reply", "ToolExtension"];
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        cpp_compat: true,
        include_guard: Some("PICOCLAW_PLUGIN_H".to_owned()),
        header: Some(INTRODUCTION.to_owned()),
        no_includes: true,
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned()],
        usize_is_size_t: true,
        documentation_style: cbindgen::DocumentationStyle::C99,
        style: cbindgen::Style::Both,
        trailer: Some(
            "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n/* What a plugin exports. NULL refuses the host. */\n\
             const PicoclawDescriptor *picoclaw_plugin_entry(uint32_t host_major, uint32_t host_minor);\n\n\
             #ifdef __cplusplus\n}\n#endif"
                .to_owned(),
        ),
        ..cbindgen::Config::default()
    };
    for name in names {
        config.export.include.push(name.to_owned());
        config.export.rename.insert(name.to_owned(), format!("Picoclaw{name}"));
    }
    config.export.exclude.push("Entry".to_owned());
    let mut out = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/abi.rs"))
        .generate()
        .unwrap()
        .write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_header_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/picoclaw_plugin.h");
    let header = generated();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &header).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        header,
        "the header is stale: run UPDATE_DOCS=1 cargo test -p picoclaw-plugin"
    );
}

/// A compiler's view of the layout is the one that the Rust code asserts.
#[test]
fn a_c_compiler_sees_the_same_layout() {
    let home = tempfile::tempdir().unwrap();
    let source = home.path().join("layout.c");
    std::fs::write(
        &source,
        "#include \"picoclaw_plugin.h\"\n\
         _Static_assert(sizeof(void *) != 8 || (sizeof(PicoclawEvent) == 80 && sizeof(PicoclawAttribute) == 48), \"\");\n\
         _Static_assert(sizeof(void *) != 8 || (sizeof(PicoclawBatch) == 32 && sizeof(PicoclawHost) == 32), \"\");\n\
         _Static_assert(sizeof(void *) != 8 || sizeof(PicoclawDescriptor) == 96, \"\");\n\
         _Static_assert(offsetof(PicoclawDescriptor, flags) == 12, \"\");\n\
         _Static_assert(PICOCLAW_MAGIC == 0x574c4350, \"\");\n",
    )
    .unwrap();
    let status = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(&source)
        .status()
        .expect("a C compiler, as rustc needs one to link");
    assert!(status.success());
}
