//! Commands of the existing PicoClaw that this one does not have, and what to do instead.

use std::process::ExitCode;

use super::complain;

#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) rest: Vec<String>,
}

/// Says so. The exit code is that of a command line that is not understood.
pub(super) fn say_so(instead: &str, rest: &[String]) -> ExitCode {
    let asked = rest.first().map_or_else(String::new, |first| format!(" (asked for: {first})"));
    complain(&format!("this command is not offered{asked}. {instead}"));
    ExitCode::from(2)
}

/// Instead of `auth`.
pub(super) const AUTH: &str = "Keys of providers stand in .security.yml; `picoclaw model add NAME PROVIDER/MODEL --key` \
                               adds one, and `picoclaw auth status` shows who has one. Signing in with an account is \
                               not supported";
/// Instead of `update`.
pub(super) const UPDATE: &str =
    "Install a new version the way this one was installed, then restart the gateway";
