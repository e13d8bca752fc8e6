//! The extension `picoclaw.tool/1`: functions that a model can call.

use std::ffi::c_void;

use crate::abi::{self, ErrorText, Reply, Text, ToolExtension};
use crate::entry::{slot, text};
use crate::failure::Failure;
use crate::guard;

/// What a tool is, for the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolSpec {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it does, and when to use it.
    pub description: String,
    /// A JSON schema of an object: its arguments.
    pub parameters: String,
}

/// A plugin that offers tools to the agent.
pub trait Tools: Send + 'static {
    /// The tools. The same ones as long as the instance lives.
    fn tools(&self) -> Vec<ToolSpec>;

    /// Does what a model asks for. The arguments are a JSON object as the model wrote it: they may be anything.
    ///
    /// # Errors
    /// A text for the model: what went wrong, and what to do instead.
    fn call(&mut self, name: &str, arguments: &str) -> Result<String, Failure>;
}

/// The functions of one type.
struct Functions<P>(std::marker::PhantomData<P>);

impl<P: Tools> Functions<P> {
    const TABLE: ToolExtension = ToolExtension {
        size: size_of::<ToolExtension>() as u32,
        reserved: 0,
        list: Some(list::<P>),
        call: Some(call::<P>),
    };
    const SHARED: &'static ToolExtension = &Self::TABLE;
}

pub(crate) unsafe extern "C" fn tool_extension<P: Tools>(name: Text) -> *const c_void {
    // SAFETY: the text is valid during the call.
    match unsafe { text(name) } {
        Ok(abi::TOOL_EXTENSION) => std::ptr::from_ref(Functions::<P>::SHARED).cast(),
        _ => std::ptr::null(),
    }
}

unsafe extern "C" fn list<P: Tools>(
    instance: *mut c_void,
    reply: *const Reply,
    error: *mut ErrorText,
) -> i32 {
    // SAFETY: the host passes an instance of ours and does not call it twice at a time; the others are NULL or as the
    // ABI says during the call.
    let (slot, reply, error) = unsafe { (slot::<P>(instance), reply.as_ref(), error.as_mut()) };
    let (Some(slot), Some(reply)) = (slot, reply) else { return abi::PICOCLAW_ERR };
    guard::call(slot, error, |plugin| {
        let tools: Vec<String> = plugin
            .tools()
            .iter()
            .map(|tool| {
                let (name, description) = (quoted(&tool.name), quoted(&tool.description));
                format!(r#"{{"name":{name},"description":{description},"parameters":{}}}"#, tool.parameters)
            })
            .collect();
        write(reply, &format!("[{}]", tools.join(",")))
    })
}

unsafe extern "C" fn call<P: Tools>(
    instance: *mut c_void,
    name: Text,
    arguments: Text,
    reply: *const Reply,
    error: *mut ErrorText,
) -> i32 {
    // SAFETY: as in `list`.
    let (slot, reply, error) = unsafe { (slot::<P>(instance), reply.as_ref(), error.as_mut()) };
    let (Some(slot), Some(reply)) = (slot, reply) else { return abi::PICOCLAW_ERR };
    guard::call(slot, error, |plugin| {
        // SAFETY: the texts are valid during the call.
        let (name, arguments) = unsafe { (text(name)?, text(arguments)?) };
        write(reply, &plugin.call(name, arguments)?)
    })
}

fn write(reply: &Reply, piece: &str) -> Result<(), Failure> {
    let write = reply.write.ok_or_else(|| Failure::Lost("the host takes no reply".to_owned()))?;
    // SAFETY: the function and its context belong together, and the text lives during the call.
    match unsafe { write(reply.context, Text::of(piece)) } {
        abi::PICOCLAW_OK => Ok(()),
        _ => Err(Failure::Lost("the reply is too long".to_owned())),
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

// A reference to a reply reaches no further than version 1.0: see `abi::least`.
const _: () = assert!(size_of::<Reply>() == abi::least::REPLY);

#[cfg(test)]
mod tests {
    #[test]
    fn strings_are_quoted() {
        assert_eq!(super::quoted("a\"b\\c\nd\u{1}é"), r#""a\"b\\c\nd\u0001é""#);
    }
}
