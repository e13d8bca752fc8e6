//! Encrypts the secrets of `.security.yml` in place, and makes the SSH key that takes part.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::Value;

use super::edit;
use super::encrypted::{self, SCHEME, SSH_KEY};
use super::environment::Environment;
use super::secret::is_secret_key;

/// The text of `.security.yml` with its secrets encrypted, and how many there were to encrypt. Those that are encrypted
/// already must open with the same passphrase, so that the file has one; those in files of their own stay there.
///
/// # Errors
/// What is in the way.
pub fn seal(text: &str, environment: &Environment) -> Result<(String, usize), String> {
    if text.trim().is_empty() {
        return Ok((text.to_owned(), 0));
    }
    let mut document: Value = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    let mut after = text.to_owned();
    let mut sealed = Vec::new();
    visit(&mut document, false, &mut |secret| {
        if let Some(text) = secret.strip_prefix(SCHEME) {
            encrypted::decrypt(text, environment)?;
        } else if !secret.is_empty() && !secret.starts_with("file://") && *secret != "[NOT_HERE]" {
            let new = encrypted::encrypt(secret, environment)?;
            sealed.push((std::mem::replace(secret, new.clone()), new));
        }
        Ok(())
    })?;
    // The longest first: one secret may be a part of another.
    let mut longest = sealed.clone();
    longest.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
    for (old, new) in &longest {
        after = after.replacen(old.as_str(), new, 1);
    }
    // Comments stay where the text alone can be changed; otherwise the secrets matter more.
    let same = serde_norway::from_str::<Value>(&after).is_ok_and(|after| after == document);
    let after =
        if same { after } else { serde_norway::to_string(&document).map_err(|error| error.to_string())? };
    Ok((after, sealed.len()))
}

fn visit(
    value: &mut Value,
    secret: bool,
    found: &mut dyn FnMut(&mut String) -> Result<(), String>,
) -> Result<(), String> {
    match value {
        Value::String(text) if secret => found(text),
        Value::Array(items) => items.iter_mut().try_for_each(|item| visit(item, secret, found)),
        Value::Object(members) => {
            members.iter_mut().try_for_each(|(key, member)| visit(member, is_secret_key(key), found))
        }
        _ => Ok(()),
    }
}

/// The SSH key that takes part in encryption: the one that there is, or a new one at the usual place. `None` where the
/// environment says that none is wanted.
///
/// # Errors
/// When it cannot be written.
pub fn ssh_key(environment: &Environment) -> io::Result<Option<PathBuf>> {
    if environment.is_set(SSH_KEY) {
        return Ok(environment.get(SSH_KEY).map(PathBuf::from));
    }
    let Some(home) = environment.home() else { return Ok(None) };
    let path = home.join(".ssh/picoclaw_ed25519.key");
    if !path.exists() {
        generate(&path)?;
    }
    Ok(Some(path))
}

/// Writes a new Ed25519 key as OpenSSH does, and its public half beside it.
fn generate(path: &Path) -> io::Result<()> {
    let failed = |_| io::Error::other("the machine gives no random numbers");
    let random = SystemRandom::new();
    let (mut seed, mut check) = ([0; 32], [0; 4]);
    random.fill(&mut seed).map_err(failed)?;
    random.fill(&mut check).map_err(failed)?;
    let pair =
        Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| io::Error::other(error.to_string()))?;
    let public = pair.public_key().as_ref();
    let mut public_part = Vec::new();
    string(&mut public_part, b"ssh-ed25519");
    string(&mut public_part, public);
    let mut private_part = [check, check].concat();
    string(&mut private_part, b"ssh-ed25519");
    string(&mut private_part, public);
    string(&mut private_part, &[&seed, public].concat());
    string(&mut private_part, b"picoclaw");
    for padding in 1_u8.. {
        if private_part.len() % 8 == 0 {
            break;
        }
        private_part.push(padding);
    }
    let mut key = b"openssh-key-v1\0".to_vec();
    for part in [b"none".as_slice(), b"none", b""] {
        string(&mut key, part);
    }
    key.extend(1_u32.to_be_bytes());
    string(&mut key, &public_part);
    string(&mut key, &private_part);
    let text = STANDARD.encode(key);
    let lines: Vec<&str> = (0..text.len()).step_by(70).map(|at| &text[at..text.len().min(at + 70)]).collect();
    let name = "OPENSSH PRIVATE KEY";
    let text = format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", lines.join("\n"));
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
    }
    edit::write(path, &text, 0o600)?;
    let public = format!("ssh-ed25519 {} picoclaw\n", STANDARD.encode(public_part));
    edit::write(&path.with_extension("key.pub"), &public, 0o644)
}

/// A text with its length before it, as SSH writes it.
fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\nmodel_list:\n  a: # first\n    api_keys:\n      - sk-0001\n      - \"sk-0001-longer\"\n      \
                        - file://a.key\nchannel_list:\n  t: {settings: {token: t-0001, base_url: https://x}}\n";

    fn environment() -> Environment {
        Environment::new("/nowhere").with(encrypted::PASSPHRASE, "correct horse")
    }

    #[test]
    fn secrets_are_encrypted_once_and_the_rest_stays() {
        let (after, sealed) = seal(TEXT, &environment()).unwrap();
        assert_eq!(sealed, 3);
        assert!(
            !after.contains("-0001") && after.contains("file://a.key") && after.contains("https://x"),
            "{after}"
        );
        assert!(after.starts_with("# mine\n") && after.contains("a: # first"), "{after}");
        assert_eq!(seal(&after, &environment()).unwrap(), (after.clone(), 0));
        let other = Environment::new("/nowhere").with(encrypted::PASSPHRASE, "wrong");
        assert!(seal(&after, &other).unwrap_err().contains("another passphrase"));
        assert_eq!(seal("", &environment()).unwrap().1, 0);
    }

    #[test]
    fn the_key_is_one_of_openssh() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::new(home.path());
        let path = ssh_key(&environment).unwrap().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let public = fs::read_to_string(path.with_extension("key.pub")).unwrap();
        assert_eq!(ssh_key(&environment).unwrap().unwrap(), path);
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is made once");
        assert!(public.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"), "{public}");
        // Where OpenSSH is at hand, it says so itself.
        if let Ok(said) = std::process::Command::new("ssh-keygen").arg("-yf").arg(&path).output() {
            assert_eq!(
                String::from_utf8_lossy(&said.stdout),
                public,
                "{}",
                String::from_utf8_lossy(&said.stderr)
            );
        }
        assert_eq!(ssh_key(&environment.with(SSH_KEY, "")).unwrap(), None);
    }
}
