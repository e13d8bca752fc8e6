//! Signatures as in [Standard Webhooks](https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderMap;
use sha2::Sha256;

/// The headers of a signed message.
pub(super) const ID: &str = "webhook-id";
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
pub(super) const SIGNATURE: &str = "webhook-signature";

/// How the key is marked when it is written in base64.
const ENCODED: &str = "whsec_";
/// Ids of the time in which a message may be repeated. Beyond that many the oldest is forgotten.
const MOST_IDS: usize = 10_000;
const LONGEST_ID: usize = 256;

/// The common secret of both sides.
#[derive(Clone)]
pub(super) struct Key(Vec<u8>);

/// Why a message is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Distrust {
    #[error("the headers webhook-id, webhook-timestamp and webhook-signature are needed")]
    Unsigned,
    #[error("webhook-timestamp is too far from the clock of this machine")]
    Stale,
    #[error("webhook-signature is wrong")]
    Forged,
}

impl Key {
    /// `whsec_` and base64, or any other text as it is. `None` when it is too short to be a secret.
    pub(super) fn new(secret: &str) -> Option<Self> {
        let bytes = match secret.strip_prefix(ENCODED) {
            Some(encoded) => STANDARD.decode(encoded).ok()?,
            None => secret.as_bytes().to_vec(),
        };
        (bytes.len() >= 16).then_some(Self(bytes))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length will do");
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }

    /// The value of the header for a message.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mac = self.mac(id, &timestamp.to_string(), body).finalize().into_bytes();
        format!("v1,{}", STANDARD.encode(mac))
    }

    /// Checks a message and returns its id. `now` is in seconds of Unix time.
    pub(super) fn verify<'a>(
        &self,
        headers: &'a HeaderMap,
        body: &[u8],
        now: u64,
        tolerance: Duration,
    ) -> Result<&'a str, Distrust> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(id), Some(timestamp), Some(signatures)) =
            (header(ID), header(TIMESTAMP), header(SIGNATURE))
        else {
            return Err(Distrust::Unsigned);
        };
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(Distrust::Unsigned);
        }
        let sent: u64 = timestamp.parse().map_err(|_| Distrust::Stale)?;
        if sent.abs_diff(now) > tolerance.as_secs() {
            return Err(Distrust::Stale);
        }
        // Several, while a key is being exchanged. Compared in constant time.
        let genuine = signatures
            .split(' ')
            .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
            .any(|signature| self.mac(id, timestamp, body).verify_slice(&signature).is_ok());
        if genuine { Ok(id) } else { Err(Distrust::Forged) }
    }
}

/// Messages that came already.
#[derive(Debug, Default)]
pub(super) struct Seen {
    ids: HashSet<String>,
    order: VecDeque<(u64, String)>,
}

impl Seen {
    /// Notes an id, unless it came before within `tolerance` of `now`.
    pub(super) fn is_new(&mut self, id: &str, now: u64, tolerance: Duration) -> bool {
        // A message may be signed in the future by as much as in the past.
        let window = 2 * tolerance.as_secs();
        while self.order.front().is_some_and(|(at, _)| *at + window < now || self.ids.len() >= MOST_IDS) {
            if let Some((_, old)) = self.order.pop_front() {
                self.ids.remove(&old);
            }
        }
        let is_new = self.ids.insert(id.to_owned());
        if is_new {
            self.order.push_back((now, id.to_owned()));
        }
        is_new
    }

    /// Forgets an id: its message was not taken after all.
    pub(super) fn forget(&mut self, id: &str) {
        if self.ids.remove(id) {
            self.order.retain(|(_, known)| known != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Duration = Duration::from_secs(300);

    fn headers(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
        let pairs = [(ID, id), (TIMESTAMP, timestamp), (SIGNATURE, signature)];
        pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_example_of_the_standard_is_signed_as_there() {
        // From the reference implementation's tests.
        let key = Key::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, at, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(key.sign(id, at, body), signature);
        let several = format!("v1,AAAA v2,x {signature}");
        let signed = headers(id, "1614265330", &several);
        assert_eq!(key.verify(&signed, body, at + 300, TOLERANCE), Ok(id));
        assert_eq!(key.verify(&signed, body, at + 301, TOLERANCE), Err(Distrust::Stale));
        assert_eq!(key.verify(&signed, b"{}", at, TOLERANCE), Err(Distrust::Forged));
        let other = Key::new("another secret of some length").unwrap();
        assert_eq!(other.verify(&signed, body, at, TOLERANCE), Err(Distrust::Forged));
        assert_eq!(key.verify(&HeaderMap::new(), body, at, TOLERANCE), Err(Distrust::Unsigned));
        assert!(Key::new("short").is_none() && Key::new("whsec_!").is_none());
    }

    #[test]
    fn a_message_counts_once_within_the_window() {
        let mut seen = Seen::default();
        assert!(seen.is_new("a", 1000, TOLERANCE) && !seen.is_new("a", 1600, TOLERANCE));
        assert!(seen.is_new("a", 1601, TOLERANCE));
        seen.forget("a");
        assert!(seen.is_new("a", 1601, TOLERANCE));
        (0..2 * MOST_IDS).for_each(|n| assert!(seen.is_new(&n.to_string(), 1601, TOLERANCE)));
        assert_eq!((seen.ids.len(), seen.order.len()), (MOST_IDS, MOST_IDS));
    }
}
