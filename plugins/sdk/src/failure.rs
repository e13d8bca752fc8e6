//! How a plugin says that something did not work.

use crate::abi;

/// Why a call of a plugin did not work. The text goes to the gateway's log and to `/health`: no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It will never work: the batch is lost and counted.
    Lost(String),
    /// It may work later: the gateway keeps the batch and hands it over again.
    Retry(String),
    /// The configuration is wrong: say which key, and what would be right.
    Config(String),
}

impl Failure {
    /// The text.
    pub fn message(&self) -> &str {
        match self {
            Self::Lost(message) | Self::Retry(message) | Self::Config(message) => message,
        }
    }

    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Lost(_) => abi::PICOCLAW_ERR,
            Self::Retry(_) => abi::PICOCLAW_ERR_RETRY,
            Self::Config(_) => abi::PICOCLAW_ERR_CONFIG,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Failure {}

/// An error of the outside world may be over next time.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Retry(error.to_string())
    }
}
