//! The closed sets of words: every label value that is known at compile time.
//!
//! A closed set cannot grow at run time, so a metric labelled with one has a bounded number of series.

/// Declares an enum whose variants are words, with `ALL`, `as_str` and `FromStr`.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        // Whoever writes a word need not look for what must be escaped or hidden.
        const _: () = { $(assert!(crate::words::is_plain($word), "letters, digits, `_` and `.` only");)+ };

        impl $name {
            /// Every word of the set, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as it stands in labels, logs and configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl crate::labels::LabelValue for $name {
            fn number(self) -> u8 {
                self as u8
            }

            fn text(self) -> &'static str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::words::UnknownWord;

            fn from_str(text: &str) -> Result<Self, crate::words::UnknownWord> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err(crate::words::UnknownWord) }
            }
        }
    };
}

pub(crate) const fn is_plain(word: &str) -> bool {
    let mut bytes = word.as_bytes();
    while let [first, rest @ ..] = bytes {
        if !matches!(first, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.') {
            return false;
        }
        bytes = rest;
    }
    !word.is_empty()
}

/// A text that is no word of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

words! {
    /// How much a record matters, least first.
    Level {
        /// For developers.
        Debug = "debug",
        /// What an operator wants to see.
        Info = "info",
        /// Something went wrong and the gateway recovered.
        Warn = "warn",
        /// Something was lost.
        Error = "error",
    }
}

words! {
    /// Which part of the gateway speaks in a log line.
    Component {
        /// Start, stop, HTTP server.
        Main = "main",
        /// Configuration and its reload.
        Config = "config",
        /// Turns.
        Agent = "agent",
        /// Model providers.
        Provider = "provider",
        /// Channels and their messages.
        Channel = "channel",
        /// Tool calls.
        Tool = "tool",
        /// The session store.
        Session = "session",
        /// The telemetry bus and its sinks.
        Bus = "bus",
        /// Scheduled jobs.
        Cron = "cron",
    }
}

words! {
    /// What started a turn.
    Origin {
        /// A message of a person.
        User = "user",
        /// A scheduled job.
        Cron = "cron",
        /// The heartbeat.
        Heartbeat = "heartbeat",
        /// Another turn.
        Subturn = "subturn",
        /// The result of a spawned task, which the conversation is told.
        Report = "report",
    }
}

words! {
    /// How a turn ended.
    TurnStatus {
        /// The model's answer was delivered.
        Completed = "completed",
        /// No answer: a provider, the session store or the agent failed.
        Failed = "failed",
        /// No answer in the time allowed.
        Timeout = "timeout",
        /// The model still called tools at the limit of iterations.
        ToolLimit = "tool_limit",
        /// The caller went away or asked to stop.
        Cancelled = "cancelled",
    }
}

words! {
    /// Why an attempt at a provider failed.
    FailureReason {
        /// The key is missing, wrong or not allowed (401, 403).
        Auth = "auth",
        /// The account has no credit (402).
        Billing = "billing",
        /// Too many requests (429).
        RateLimit = "rate_limit",
        /// The provider says that it is overloaded (503, 529).
        Overloaded = "overloaded",
        /// Another 5xx.
        Server = "server",
        /// No answer in the time allowed.
        Timeout = "timeout",
        /// The provider could not be reached.
        Network = "network",
        /// The answer broke off in the middle.
        CutStream = "cut_stream",
        /// The answer was not what the protocol says.
        BadResponse = "bad_response",
        /// The provider refused the request as malformed (other 4xx).
        BadRequest = "bad_request",
        /// The conversation is too long for the model.
        ContextOverflow = "context_overflow",
        /// None of these.
        Unknown = "unknown",
    }
}

impl FailureReason {
    /// Whether the provider is to blame, so that asking it again at once would help nobody. A malformed or overlong
    /// request is the caller's.
    pub const fn cools_down(self) -> bool {
        !matches!(self, Self::BadRequest | Self::ContextOverflow)
    }
}

words! {
    /// Why a provider was not asked although it was its turn.
    SkipReason {
        /// It failed not long ago.
        Cooldown = "cooldown",
        /// It was asked as often as the configuration allows.
        RateLimit = "rate_limit",
    }
}

words! {
    /// Why a provider may be asked again.
    CooldownEnd {
        /// The time is over.
        Elapsed = "elapsed",
        /// A request that was still under way was answered.
        Answered = "answered",
        /// It is no longer configured, or differently.
        Removed = "removed",
    }
}

words! {
    /// How a tool call ended.
    ToolStatus {
        /// The tool did what it was asked.
        Success = "success",
        /// The tool failed.
        Error = "error",
        /// A rule forbids the call.
        Denied = "denied",
        /// The tool took too long.
        Timeout = "timeout",
        /// The turn was cancelled while the tool ran.
        Cancelled = "cancelled",
    }
}

words! {
    /// Why a message was refused before it became a turn.
    Rejection {
        /// The request is not what the protocol says.
        Invalid = "invalid",
        /// No valid credential.
        Unauthorized = "unauthorized",
        /// The sender is not in the channel's `allow_from`.
        NotAllowed = "not_allowed",
        /// The session's queue is full, or the channel has as many messages under way as it may.
        Busy = "busy",
        /// The model is not configured.
        UnknownModel = "unknown_model",
        /// The gateway is stopping.
        Draining = "draining",
    }
}

words! {
    /// Why the HTTP server turned a connection or a request away.
    HttpRejection {
        /// All places for connections are taken.
        ConnectionLimit = "connection_limit",
        /// The request's head did not arrive in time.
        HeaderTimeout = "header_timeout",
        /// The request's body did not arrive in time.
        BodyTimeout = "body_timeout",
        /// The request's body is larger than allowed.
        BodyTooLarge = "body_too_large",
        /// There was no memory left for its body beside those of others.
        BodyBacklog = "body_backlog",
        /// The request is not HTTP.
        Malformed = "malformed",
        /// No valid credential.
        Unauthorized = "unauthorized",
        /// A web page of another origin asked.
        ForbiddenOrigin = "forbidden_origin",
    }
}

words! {
    /// How a run of a scheduled job ended.
    JobStatus {
        /// The job did its work, and what it had to say was delivered.
        Ok = "ok",
        /// It did not.
        Error = "error",
        /// It took too long.
        Timeout = "timeout",
        /// The gateway stopped meanwhile.
        Cancelled = "cancelled",
    }
}

words! {
    /// Why a scheduled job did not run when its time came.
    Missed {
        /// Nobody could run it, for example because the gateway was down. It is made up for, once.
        Downtime = "downtime",
        /// Its previous run was still going on. It is left out.
        Running = "running",
    }
}

words! {
    /// What keeps a scheduled job from running, or does not.
    JobState {
        /// It runs when its time comes.
        Enabled = "enabled",
        /// It is switched off, or is over.
        Disabled = "disabled",
        /// Its schedule cannot be understood, so it never runs.
        Invalid = "invalid",
    }
}

words! {
    /// What came of a heartbeat.
    HeartbeatOutcome {
        /// The agent had nothing to say.
        Silent = "silent",
        /// What it had to say was delivered.
        Delivered = "delivered",
        /// It had something to say, and there was nobody to tell.
        Undelivered = "undelivered",
        /// The turn failed.
        Failed = "failed",
    }
}

words! {
    /// A moment at which a hook is asked.
    HookStage {
        /// Before a request to a model.
        BeforeLlm = "before_llm",
        /// After its answer.
        AfterLlm = "after_llm",
        /// Before a tool call.
        BeforeTool = "before_tool",
        /// Whether a tool may be called.
        ApproveTool = "approve_tool",
        /// After a tool call.
        AfterTool = "after_tool",
    }
}

words! {
    /// What came of asking a hook.
    HookOutcome {
        /// It answered.
        Ok = "ok",
        /// It answered with an error.
        Error = "error",
        /// It did not answer in time.
        Timeout = "timeout",
        /// It is not running.
        Unavailable = "unavailable",
    }
}

words! {
    /// Whether something worked.
    Outcome {
        /// It did.
        Success = "success",
        /// It did not.
        Failure = "failure",
    }
}

words! {
    /// Why the older part of a conversation was taken out of it.
    Compaction {
        /// It had become long: a model wrote a summary of it.
        Summary = "summary",
        /// The next request would not have fitted into the model's context window.
        Budget = "budget",
        /// The provider refused the request as too long.
        Overflow = "overflow",
    }
}

words! {
    /// Which model was chosen for a message.
    Route {
        /// The light one.
        Light = "light",
        /// The one for messages with images.
        Image = "image",
        /// The usual one.
        Main = "main",
    }
}

words! {
    /// What became of an image that belongs to a conversation, in a request to a model.
    ImageOutcome {
        /// It was in the request.
        Sent = "sent",
        /// Its file is gone or cannot be read.
        Missing = "missing",
        /// It is of a format that providers do not take.
        Unsupported = "unsupported",
        /// It is larger than allowed.
        TooLarge = "too_large",
        /// Newer images had filled the request.
        Surplus = "surplus",
        /// Another model is the one for images.
        Withheld = "withheld",
    }
}

words! {
    /// What a person can tell the agent beside talking to the model.
    Command {
        /// Says hello.
        Start = "start",
        /// Lists the commands.
        Help = "help",
        /// Ends the turn that runs.
        Stop = "stop",
        /// Shows the model, the channel or the agents.
        Show = "show",
        /// Lists models, channels, agents, skills or tools.
        List = "list",
        /// Has a skill used for a message.
        Use = "use",
        /// Asks something beside the conversation.
        Btw = "btw",
        /// Switches to another model.
        Switch = "switch",
        /// Tells whether a channel is there.
        Check = "check",
        /// Begins the conversation anew.
        Clear = "clear",
        /// Tells how long the conversation is.
        Context = "context",
        /// Lists the sub-agents.
        Subagents = "subagents",
        /// Reads the configuration again.
        Reload = "reload",
        /// Tells how things are.
        Status = "status",
        /// Shows or chooses the model.
        Model = "model",
    }
}

words! {
    /// Which way tokens went.
    Direction {
        /// To the model.
        Input = "input",
        /// From the model.
        Output = "output",
    }
}

words! {
    /// The gateway's own judgement of itself. Only the good state contains the word "healthy", because
    /// monitors search for it as text.
    HealthStatus {
        /// All is well.
        Healthy = "healthy",
        /// It serves, but something that an operator should know is wrong.
        Degraded = "degraded",
        /// It cannot do its work.
        Failing = "failing",
        /// Not ready yet.
        Starting = "starting",
        /// Stopping.
        Draining = "draining",
    }
}

pub(crate) use words;
