//! Secrets that the existing PicoClaw has encrypted: `enc://` and the base64 of salt, nonce and AES-256-GCM ciphertext.
//!
//! The key comes from a passphrase, and from the file of an SSH key where there is one; whoever steals the
//! configuration alone has nothing.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{aead, digest, hkdf, hmac};

use super::Environment;

/// Where the passphrase is.
pub const PASSPHRASE: &str = "PICOCLAW_KEY_PASSPHRASE";
/// Where the SSH key is, if not at its usual place; set and empty: there is none.
pub(super) const SSH_KEY: &str = "PICOCLAW_SSH_KEY_PATH";
/// What the key is for.
const PURPOSE: &[u8] = b"picoclaw-credential-v1";
const SALT: usize = 16;
/// What encrypted values begin with.
pub(super) const SCHEME: &str = "enc://";

/// The secret in the text after `enc://`.
pub(super) fn decrypt(text: &str, environment: &Environment) -> Result<String, String> {
    let passphrase = environment.get(PASSPHRASE);
    let passphrase =
        passphrase.ok_or_else(|| format!("encrypted (enc://): set {PASSPHRASE} to its passphrase"))?;
    let damaged = || "encrypted (enc://), and damaged: write the value again".to_owned();
    let bytes = STANDARD.decode(text).map_err(|_| damaged())?;
    let (salt, rest) = bytes.split_at_checked(SALT).ok_or_else(damaged)?;
    let (nonce, rest) = rest.split_at_checked(aead::NONCE_LEN).ok_or_else(damaged)?;
    let nonce = aead::Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
    let ssh_key = ssh_key(environment);
    let material = material(passphrase, ssh_key.as_deref())?;
    let key = aead::LessSafeKey::new(derive(&material, salt)?);
    let mut sealed = rest.to_vec();
    let opened = key.open_in_place(nonce, aead::Aad::empty(), &mut sealed).map_err(|_| {
        let with = ssh_key.map_or_else(|| "no SSH key".to_owned(), |path| format!("the SSH key {}", path.display()));
        format!(
            "encrypted (enc://) with another passphrase or SSH key: check {PASSPHRASE}, and {SSH_KEY} ({with} was used)"
        )
    })?;
    String::from_utf8(opened.to_vec()).map_err(|_| damaged())
}

/// The secret as `enc://…`, which opens with the same passphrase and SSH key.
///
/// # Errors
/// When there is no passphrase, or the SSH key cannot be read.
pub fn encrypt(secret: &str, environment: &Environment) -> Result<String, String> {
    let passphrase =
        environment.get(PASSPHRASE).ok_or_else(|| format!("set {PASSPHRASE} to a passphrase"))?;
    let material = material(passphrase, ssh_key(environment).as_deref())?;
    let mut sealed = vec![0; SALT + aead::NONCE_LEN];
    SystemRandom::new().fill(&mut sealed).map_err(|_| "the machine gives no random numbers".to_owned())?;
    let (salt, nonce) = sealed.split_at(SALT);
    let key = aead::LessSafeKey::new(derive(&material, salt)?);
    let nonce = aead::Nonce::try_assume_unique_for_key(nonce).expect("it has the length of one");
    let mut text = secret.as_bytes().to_vec();
    let sealing = key.seal_in_place_append_tag(nonce, aead::Aad::empty(), &mut text);
    sealing.map_err(|_| "the secret is too long".to_owned())?;
    sealed.extend(text);
    Ok(format!("{SCHEME}{}", STANDARD.encode(sealed)))
}

/// The file of the SSH key that takes part, if one does.
fn ssh_key(environment: &Environment) -> Option<PathBuf> {
    if environment.is_set(SSH_KEY) {
        return environment.get(SSH_KEY).map(PathBuf::from);
    }
    let usual = environment.home()?.join(".ssh/picoclaw_ed25519.key");
    usual.exists().then_some(usual)
}

/// What the key is derived from.
fn material(passphrase: &str, ssh_key: Option<&std::path::Path>) -> Result<Vec<u8>, String> {
    let Some(path) = ssh_key else {
        return Ok(digest::digest(&digest::SHA256, passphrase.as_bytes()).as_ref().to_vec());
    };
    let bytes = std::fs::read(path).map_err(|error| {
        format!(
            "encrypted (enc://), and its SSH key {} cannot be read: {error}; see {SSH_KEY}",
            path.display()
        )
    })?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, digest::digest(&digest::SHA256, &bytes).as_ref());
    Ok(hmac::sign(&key, passphrase.as_bytes()).as_ref().to_vec())
}

fn derive(material: &[u8], salt: &[u8]) -> Result<aead::UnboundKey, String> {
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(material);
    let key = secret.expand(&[PURPOSE], &aead::AES_256_GCM);
    key.map(aead::UnboundKey::from).map_err(|_| "encrypted (enc://): no key can be derived".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "6YWI/C10+RcR1YM5xIl6jpuRsvXTBRmGWXDvshloBM9dwGQPIm7mSSe7bTdL5iQoPrKWPND4Mb2H";
    const WITH_KEY: &str = "4P8FByC0qqPWilxT1mX6dvna2/BngeoiMktKdZUF0Ky3bLyfKwuJuRI4fKQOkjcLguJIWBozQnMlzv5l";

    fn environment() -> Environment {
        Environment::new("/nowhere").with(PASSPHRASE, "correct horse")
    }

    #[test]
    fn values_of_another_implementation_are_read() {
        assert_eq!(decrypt(PLAIN, &environment()).unwrap(), "sk-plain-0001");
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".ssh/picoclaw_ed25519.key");
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        std::fs::write(&path, "-----BEGIN KEY-----\nabc\n").unwrap();
        let usual = Environment::new(home.path()).with(PASSPHRASE, "correct horse");
        assert_eq!(decrypt(WITH_KEY, &usual).unwrap(), "sk-with-key-0001");
        let named = environment().with(SSH_KEY, path.to_str().unwrap());
        assert_eq!(decrypt(WITH_KEY, &named).unwrap(), "sk-with-key-0001");
        // Set and empty: the key at its usual place is not meant.
        assert_eq!(decrypt(PLAIN, &usual.with(SSH_KEY, "")).unwrap(), "sk-plain-0001");
    }

    #[test]
    fn what_is_encrypted_opens_again_and_never_looks_the_same() {
        let sealed = encrypt("sk-é-0001", &environment()).unwrap();
        let again = encrypt("sk-é-0001", &environment()).unwrap();
        assert_ne!(sealed, again);
        let opened = decrypt(sealed.strip_prefix(SCHEME).unwrap(), &environment()).unwrap();
        assert_eq!(opened, "sk-é-0001");
        assert!(encrypt("x", &Environment::new("/nowhere")).unwrap_err().contains(PASSPHRASE));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        let wrong = Environment::new("/nowhere").with(PASSPHRASE, "wrong horse");
        let lost = environment().with(SSH_KEY, "/nowhere/key");
        for (text, environment, expected) in [
            (PLAIN, Environment::new("/nowhere"), "set PICOCLAW_KEY_PASSPHRASE"),
            (PLAIN, wrong, "another passphrase or SSH key"),
            (WITH_KEY, environment(), "no SSH key was used"),
            (PLAIN, lost, "/nowhere/key cannot be read"),
            ("!!", environment(), "damaged"),
            ("AAAA", environment(), "damaged"),
        ] {
            let said = decrypt(text, &environment).unwrap_err();
            assert!(said.contains(expected) && !said.contains("horse"), "{said}");
        }
    }
}
