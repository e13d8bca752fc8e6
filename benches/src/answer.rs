//! A caller's end of a connection: raw sockets, so that the load costs little beside what it measures.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What is asked.
pub(crate) const QUESTION: &str = r#"{"role":"user","content":"Tell me about foxes and dogs."}"#;

/// A connection that is kept alive.
#[derive(Debug)]
pub(crate) struct Caller {
    reader: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

/// How the body of an answer is framed.
enum Framing {
    Length(usize),
    Chunked,
}

impl Caller {
    pub(crate) fn connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self { reader: BufReader::new(stream), line: String::new(), body: Vec::new() })
    }

    /// Asks for a completion. `fields` are those of the body besides the messages, `history` the messages before, each
    /// with a comma behind it.
    pub(crate) fn ask(&mut self, fields: &str, history: &str) -> std::io::Result<()> {
        let body = format!(r#"{{{fields}"messages":[{history}{QUESTION}]}}"#);
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())
    }

    /// Reads a whole answer and returns its body.
    ///
    /// # Errors
    ///
    /// When it is not a whole 200: a contestant that fails is no contestant.
    pub(crate) fn answer(&mut self) -> anyhow::Result<&[u8]> {
        self.body.clear();
        match self.head()? {
            Framing::Length(length) => {
                self.body.resize(length, 0);
                self.reader.read_exact(&mut self.body)?;
            }
            Framing::Chunked => while self.chunk()? {},
        }
        Ok(&self.body)
    }

    /// Reads an answer that comes in pieces; `piece` sees each chunk as it arrives.
    ///
    /// # Errors
    ///
    /// When it is not a whole 200 in chunks, or `piece` is not content.
    pub(crate) fn pieces(
        &mut self,
        mut piece: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(matches!(self.head()?, Framing::Chunked), "the answer does not come in pieces");
        loop {
            self.body.clear();
            if !self.chunk()? {
                return Ok(());
            }
            piece(&self.body)?;
        }
    }

    fn head(&mut self) -> anyhow::Result<Framing> {
        self.read_line()?;
        anyhow::ensure!(self.line.contains(" 200 "), "the answer was {:?}", self.line);
        let mut framing = Framing::Length(0);
        while !self.read_line()?.is_empty() {
            let Some((name, value)) = self.line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                framing = Framing::Length(value.trim().parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
            }
        }
        Ok(framing)
    }

    /// Appends the next chunk to the body; `false` at the end.
    fn chunk(&mut self) -> anyhow::Result<bool> {
        let length = usize::from_str_radix(self.read_line()?, 16)?;
        let before = self.body.len();
        self.body.resize(before + length, 0);
        self.reader.read_exact(&mut self.body[before..])?;
        self.read_line()?;
        Ok(length > 0)
    }

    fn read_line(&mut self) -> anyhow::Result<&str> {
        self.line.clear();
        anyhow::ensure!(self.reader.read_line(&mut self.line)? > 0, "the connection was closed");
        Ok(self.line.trim_end())
    }
}
