//! What is known of the vendors that speak the OpenAI protocol.

/// How a vendor's models are told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinks {
    /// By `reasoning_effort`, as the protocol has it.
    Effort,
    /// By `thinking`, which is on or off.
    Switch,
}

/// A vendor's address and habits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vendor {
    /// The word in the configuration.
    pub(super) name: &'static str,
    /// Where its API is; empty where every customer has an own address.
    pub(super) api_base: &'static str,
    /// Whether it wants the reasoning of a turn's earlier calls back. Others refuse the field.
    pub(super) replays_reasoning: bool,
    /// Whether it signs its tool calls with extra fields and wants them back. Others refuse them.
    pub(super) signs_tool_calls: bool,
    /// How its models are told to think.
    pub(super) thinks: Thinks,
    /// Whether it puts reasoning into the answer's text unless it is told to keep them apart.
    pub(super) splits_reasoning: bool,
    /// What stands between the customer's own address and the protocol's paths.
    pub(super) path: &'static str,
    /// Whether it knows `max_completion_tokens` alone.
    pub(super) max_completion_tokens: bool,
}

const fn vendor(name: &'static str, api_base: &'static str) -> Vendor {
    Vendor {
        name,
        api_base,
        replays_reasoning: false,
        signs_tool_calls: false,
        thinks: Thinks::Effort,
        splits_reasoning: false,
        path: "",
        max_completion_tokens: false,
    }
}

const fn reasoning(name: &'static str, api_base: &'static str) -> Vendor {
    Vendor { replays_reasoning: true, thinks: Thinks::Switch, ..vendor(name, api_base) }
}

const fn azure(name: &'static str) -> Vendor {
    Vendor { path: "/openai/v1", max_completion_tokens: true, ..vendor(name, "") }
}

const CODING: &str = "https://coding-intl.dashscope.aliyuncs.com/v1";
const QWEN_INTL: &str = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1";
const QWEN_US: &str = "https://dashscope-us.aliyuncs.com/compatible-mode/v1";

/// Every known vendor, by name.
pub(super) const VENDORS: &[Vendor] = &[
    vendor("alibaba-coding", CODING),
    vendor("anthropic", "https://api.anthropic.com/v1"),
    vendor("avian", "https://api.avian.io/v1"),
    azure("azure"),
    azure("azure-openai"),
    vendor("cerebras", "https://api.cerebras.ai/v1"),
    vendor("coding-plan", CODING),
    vendor("dashscope-intl", QWEN_INTL),
    vendor("dashscope-us", QWEN_US),
    reasoning("deepseek", "https://api.deepseek.com/v1"),
    Vendor {
        signs_tool_calls: true,
        ..vendor("gemini", "https://generativelanguage.googleapis.com/v1beta/openai")
    },
    vendor("groq", "https://api.groq.com/openai/v1"),
    vendor("litellm", "http://localhost:4000/v1"),
    vendor("lmstudio", "http://localhost:1234/v1"),
    vendor("longcat", "https://api.longcat.chat/openai"),
    vendor("mimo", "https://api.xiaomimimo.com/v1"),
    Vendor { splits_reasoning: true, ..vendor("minimax", "https://api.minimaxi.com/v1") },
    vendor("mistral", "https://api.mistral.ai/v1"),
    vendor("modelscope", "https://api-inference.modelscope.cn/v1"),
    reasoning("moonshot", "https://api.moonshot.cn/v1"),
    vendor("novita", "https://api.novita.ai/openai"),
    vendor("nvidia", "https://integrate.api.nvidia.com/v1"),
    vendor("ollama", "http://localhost:11434/v1"),
    vendor("openai", "https://api.openai.com/v1"),
    vendor("openrouter", "https://openrouter.ai/api/v1"),
    vendor("qwen", "https://dashscope.aliyuncs.com/compatible-mode/v1"),
    vendor("qwen-coding", CODING),
    vendor("qwen-international", QWEN_INTL),
    vendor("qwen-intl", QWEN_INTL),
    vendor("qwen-us", QWEN_US),
    vendor("shengsuanyun", "https://router.shengsuanyun.com/api/v1"),
    vendor("siliconflow", "https://api.siliconflow.cn/v1"),
    vendor("venice", "https://api.venice.ai/api/v1"),
    vendor("vivgrid", "https://api.vivgrid.com/v1"),
    vendor("vllm", "http://localhost:8000/v1"),
    vendor("volcengine", "https://ark.cn-beijing.volces.com/api/v3"),
    vendor("xai", "https://api.x.ai/v1"),
    reasoning("zai", "https://api.z.ai/api/paas/v4"),
    reasoning("zhipu", "https://open.bigmodel.cn/api/paas/v4"),
];

/// The vendor of this name, in any spelling of its case.
pub(super) fn find(name: &str) -> Option<&'static Vendor> {
    VENDORS.iter().find(|vendor| vendor.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_addresses_are_urls_to_append_to() {
        assert!(VENDORS.is_sorted_by(|a, b| a.name < b.name));
        for vendor in VENDORS.iter().filter(|vendor| !vendor.api_base.is_empty()) {
            let url = reqwest::Url::parse(vendor.api_base).expect(vendor.name);
            assert!(!vendor.api_base.ends_with('/'), "{}", vendor.name);
            let near = url.host_str() == Some("localhost");
            assert_eq!(url.scheme(), if near { "http" } else { "https" }, "{}", vendor.name);
        }
        assert!(find("OpenAI").is_some());
        assert!(find("").is_none());
    }
}
