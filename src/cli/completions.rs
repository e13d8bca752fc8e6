//! `picoclaw completions`: what a shell needs to complete the commands. The scripts are made from the commands when they
//! change, and lie in the binary with the files for other programs.

use std::process::ExitCode;

use super::say;
use crate::integrations::files::find;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Shell {
    Bash,
    Fish,
    Zsh,
}

impl Shell {
    fn file(self) -> &'static str {
        match self {
            Self::Bash => "shell/picoclaw.bash",
            Self::Fish => "shell/picoclaw.fish",
            Self::Zsh => "shell/_picoclaw",
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "For example: picoclaw completions bash > /etc/bash_completion.d/picoclaw")]
pub(super) struct Arguments {
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    print(arguments.shell.file())
}

/// The manual page.
pub(super) fn man() -> anyhow::Result<ExitCode> {
    print("man/picoclaw.1")
}

fn print(file: &str) -> anyhow::Result<ExitCode> {
    let found = find(file);
    let file = found.first().ok_or_else(|| anyhow::anyhow!("{file} is not in this build"))?;
    say(file.text.trim_end());
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use clap::CommandFactory;
    use clap_complete::aot::{Shell, generate};

    fn compare(file: &str, text: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(file);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        } else {
            let present = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                present == text,
                "config/{file} is stale: run UPDATE_DOCS=1 cargo test -p picoclaw-cli completions"
            );
        }
    }

    #[test]
    fn the_scripts_and_the_page_are_those_of_the_commands() {
        for (shell, file, head) in [
            (Shell::Bash, "shell/picoclaw.bash", "# Completion of PicoClaw's commands for bash.\n"),
            (Shell::Fish, "shell/picoclaw.fish", "# Completion of PicoClaw's commands for fish.\n"),
            (Shell::Zsh, "shell/_picoclaw", ""),
        ] {
            let mut text = head.as_bytes().to_vec();
            generate(shell, &mut super::super::Arguments::command(), "picoclaw", &mut text);
            compare(file, &String::from_utf8(text).unwrap());
        }
        let mut page = b".\\\" The manual page.\n".to_vec();
        let mut command = super::super::Arguments::command().version("");
        command.build();
        clap_mangen::Man::new(command.clone()).render(&mut page).unwrap();
        compare("man/picoclaw.1", &String::from_utf8(page).unwrap());
    }
}
