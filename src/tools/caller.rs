//! On whose behalf a tool is called.

/// On whose behalf a tool is called. Nothing of it comes from the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The configured name of the channel through which the person speaks.
    pub channel: &'a str,
    /// The conversation within the channel; empty for one without memory.
    pub chat: &'a str,
}

impl Caller<'_> {
    /// Somebody at the machine itself.
    pub const LOCAL: Self = Self { channel: "cli", chat: "" };

    /// Whether the person may be anywhere: the terminal and the gateway's own turns are not.
    pub fn is_remote(&self) -> bool {
        !matches!(self.channel, "cli" | "system" | "subagent")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_terminal_and_the_gateway_itself_are_local() {
        assert!(!Caller::LOCAL.is_remote());
        for (channel, remote) in [("telegram", true), ("api", true), ("subagent", false), ("cli2", true)] {
            assert_eq!(Caller { channel, chat: "1" }.is_remote(), remote, "{channel}");
        }
    }
}
