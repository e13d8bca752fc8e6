//! Where skills come from: repositories of GitHub, or of another host that is like it, and ClawHub.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use super::package::{InstallError, Package, is_name};
use super::web::Web;
use crate::AllowedHosts;

/// Where they are unless somebody says otherwise.
const GITHUB: &str = "https://github.com";
const CLAWHUB: &str = "https://clawhub.ai";
/// Most bytes of an archive, and of any other answer.
const MAX_ARCHIVE: usize = 32 << 20;
const MAX_ANSWER: usize = 2 << 20;
/// What is remembered beside a skill of where it came from.
const ORIGIN: &str = ".skill-origin.json";

/// How one registry is reached.
#[derive(Clone, Default)]
pub struct Registry {
    /// Its address; empty for the usual one.
    pub base_url: String,
    /// The token that it is shown; may be empty.
    pub token: String,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// Which registries there are.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// A host of repositories; `None` when it is switched off.
    pub github: Option<Registry>,
    /// ClawHub; `None` when it is switched off.
    pub clawhub: Option<Registry>,
    /// Hosts that may be asked although their addresses are not public, and without TLS.
    pub private_hosts: AllowedHosts,
}

/// The registries. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registries(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: RegistryOptions,
    web: Web,
}

/// A skill that a registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which registry.
    pub registry: &'static str,
    /// The name by which it is installed.
    pub slug: String,
    /// What it is for.
    pub summary: String,
}

/// A skill that was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// Its files.
    pub package: Package,
    /// The name that it gets in the workspace.
    pub name: String,
    /// Its version, branch or commit.
    pub version: String,
    /// Whether its registry calls it suspicious.
    pub suspicious: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Found {
    results: Vec<FoundSkill>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct FoundSkill {
    slug: Option<String>,
    summary: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct About {
    latest_version: Option<Version>,
    moderation: Option<Moderation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Version {
    version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Moderation {
    is_malware_blocked: bool,
    is_suspicious: bool,
}

/// A directory of a repository.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    owner: String,
    repository: String,
    reference: Option<String>,
    directory: String,
}

fn unreachable(why: impl Into<String>) -> InstallError {
    InstallError::Unreachable(why.into())
}

impl Registries {
    /// These registries. Nothing is asked yet.
    pub fn new(options: RegistryOptions) -> Self {
        let web = Web::new(options.private_hosts.clone());
        Self(Arc::new(Inner { options, web }))
    }

    /// Their names.
    pub fn names(&self) -> Vec<&'static str> {
        let options = &self.0.options;
        let all = [("github", options.github.is_some()), ("clawhub", options.clawhub.is_some())];
        all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    }

    /// Skills that ClawHub finds for a query. GitHub has no search that works without an account.
    ///
    /// # Errors
    /// When it does not answer, in words.
    pub async fn search(&self, query: &str, most: u64) -> Result<Vec<Hit>, String> {
        let Some(clawhub) = &self.0.options.clawhub else { return Ok(Vec::new()) };
        let mut url = address(&clawhub.base_url, CLAWHUB, &["api", "v1", "search"])?;
        url.query_pairs_mut().append_pair("q", query).append_pair("limit", &most.to_string());
        let answer = self.0.web.get(&url, &clawhub.token, MAX_ANSWER).await?.unwrap_or_default();
        let found: Found =
            serde_json::from_slice(&answer).map_err(|_| "clawhub's answer was not understood".to_owned())?;
        let hit = |found: FoundSkill| {
            let slug = found.slug.filter(|slug| is_name(slug))?;
            let summary = found.summary.unwrap_or_default();
            let summary =
                summary.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
            Some(Hit { registry: "clawhub", slug, summary })
        };
        Ok(found.results.into_iter().filter_map(hit).take(usize::try_from(most).unwrap_or(50)).collect())
    }

    /// Fetches a skill: with GitHub `owner/repository`, a path in it, or its address; with ClawHub its name. Without a
    /// version it is the newest.
    ///
    /// # Errors
    /// When there is none, it is none, or its registry says that it is malicious.
    pub async fn fetch(&self, registry: &str, slug: &str, version: &str) -> Result<Fetched, InstallError> {
        let options = &self.0.options;
        let slug = slug.trim();
        match (registry, &options.github, &options.clawhub) {
            ("github", Some(github), _) => self.of_github(github, slug, version).await,
            ("clawhub", _, Some(clawhub)) => self.of_clawhub(clawhub, slug, version).await,
            _ => {
                let names = self.names().join(", ");
                Err(unreachable(format!(
                    "there is no registry \"{registry}\" that is enabled; there are: {names}"
                )))
            }
        }
    }

    async fn of_github(&self, github: &Registry, slug: &str, version: &str) -> Result<Fetched, InstallError> {
        let base = if github.base_url.is_empty() { GITHUB } else { github.base_url.trim_end_matches('/') };
        let place = Place::parse(slug, base).ok_or_else(|| {
            unreachable(format!(
                "\"{slug}\" is no repository: give owner/repository, with a path in it if need be"
            ))
        })?;
        let reference = Some(version).filter(|version| !version.is_empty()).or(place.reference.as_deref());
        let reference = reference.unwrap_or("HEAD").to_owned();
        let archive = format!("{reference}.zip");
        let mut steps = vec![place.owner.as_str(), place.repository.as_str(), "archive"];
        steps.extend(archive.split('/'));
        let url = address(base, GITHUB, &steps).map_err(unreachable)?;
        let archive = self.0.web.get(&url, &github.token, MAX_ARCHIVE).await.map_err(unreachable)?;
        let archive = archive.ok_or_else(|| unreachable(format!("there is no {slug} at {reference}")))?;
        let package = unpack(archive, true, place.directory.clone()).await?;
        let name = place.directory.rsplit('/').find(|step| !step.is_empty()).unwrap_or(&place.repository);
        let slug = [&place.owner, &place.repository, &place.directory].map(String::as_str).join("/");
        let fetched = Fetched { package, name: name.to_owned(), version: reference, suspicious: false };
        Ok(fetched.from("github", base, slug.trim_end_matches('/')))
    }

    async fn of_clawhub(
        &self,
        clawhub: &Registry,
        slug: &str,
        version: &str,
    ) -> Result<Fetched, InstallError> {
        if !is_name(slug) {
            return Err(unreachable(format!("\"{slug}\" is no name of a skill")));
        }
        let (web, token) = (&self.0.web, clawhub.token.as_str());
        let missing = || unreachable(format!("clawhub has no skill \"{slug}\""));
        let url = address(&clawhub.base_url, CLAWHUB, &["api", "v1", "skills", slug]).map_err(unreachable)?;
        let about = web.get(&url, token, MAX_ANSWER).await.map_err(unreachable)?.ok_or_else(missing)?;
        let about: About = serde_json::from_slice(&about).map_err(|_| {
            unreachable("clawhub's answer was not understood, so the skill could not be checked")
        })?;
        let moderation = about.moderation.unwrap_or_default();
        if moderation.is_malware_blocked {
            return Err(InstallError::Unfit(format!("clawhub says that \"{slug}\" is malicious")));
        }
        let latest = about.latest_version.unwrap_or_default().version;
        let version = if version.is_empty() { latest } else { version.to_owned() };
        let mut url = address(&clawhub.base_url, CLAWHUB, &["api", "v1", "download"]).map_err(unreachable)?;
        url.query_pairs_mut().append_pair("slug", slug);
        if !version.is_empty() {
            url.query_pairs_mut().append_pair("version", &version);
        }
        let archive = web.get(&url, token, MAX_ARCHIVE).await.map_err(unreachable)?.ok_or_else(missing)?;
        let package = unpack(archive, false, String::new()).await?;
        let base = if clawhub.base_url.is_empty() { CLAWHUB } else { &clawhub.base_url };
        let (name, suspicious) = (slug.to_owned(), moderation.is_suspicious);
        Ok(Fetched { package, name, version, suspicious }.from("clawhub", base, slug))
    }
}

async fn unpack(archive: Vec<u8>, top: bool, directory: String) -> Result<Package, InstallError> {
    let unpacked = tokio::task::spawn_blocking(move || Package::of_archive(&archive, top, &directory)).await;
    unpacked.unwrap_or_else(|_| Err(InstallError::Unfit("its archive could not be read".to_owned())))
}

impl Fetched {
    /// Notes down where it came from, as the existing gateway does.
    fn from(mut self, registry: &str, base: &str, slug: &str) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let origin = json!({
            "version": 1,
            "origin_kind": "third_party",
            "registry": registry,
            "slug": slug,
            "registry_url": base,
            "installed_version": self.version,
            "installed_at": u64::try_from(now.as_millis()).unwrap_or_default(),
        });
        self.package.note(ORIGIN, format!("{origin:#}\n").into_bytes());
        self
    }
}

impl Place {
    /// `owner/repository[/directory]`, or the address of one at this host.
    fn parse(slug: &str, base: &str) -> Option<Self> {
        let is_address = slug.starts_with("https://") || slug.starts_with("http://");
        let path = if is_address { slug.strip_prefix(base)?.strip_prefix('/')? } else { slug };
        let path = path.split(['?', '#']).next()?.trim_matches('/');
        let steps: Vec<&str> = path.split('/').collect();
        let sound = |step: &str| !matches!(step, "" | "." | "..") && !step.contains('\\');
        let [owner, repository, rest @ ..] = steps.as_slice() else { return None };
        if !steps.iter().all(|step| sound(step)) {
            return None;
        }
        let (reference, directory) = match rest {
            ["tree" | "blob", reference, directory @ ..] => (Some((*reference).to_owned()), directory),
            directory => (None, directory),
        };
        let directory = match directory {
            [directory @ .., "SKILL.md"] => directory,
            directory => directory,
        };
        Some(Self {
            owner: (*owner).to_owned(),
            repository: repository.trim_end_matches(".git").to_owned(),
            reference,
            directory: directory.join("/"),
        })
    }
}

/// An address below another one, whose steps mean nothing but themselves.
fn address(base: &str, usual: &str, steps: &[&str]) -> Result<Url, String> {
    let base = if base.is_empty() { usual } else { base };
    let mut url = Url::parse(base).map_err(|error| format!("{base} is no address of a registry: {error}"))?;
    url.path_segments_mut()
        .map_err(|()| format!("{base} is no address of a registry"))?
        .pop_if_empty()
        .extend(steps);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_in_every_form() {
        let place = |slug: &str| {
            let place = Place::parse(slug, GITHUB)?;
            Some((
                place.owner + "/" + &place.repository,
                place.reference.unwrap_or_default(),
                place.directory,
            ))
        };
        let is = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(place("o/r"), is("o/r", "", ""));
        assert_eq!(place("/o/r/skills/x/"), is("o/r", "", "skills/x"));
        assert_eq!(place("https://github.com/o/r.git"), is("o/r", "", ""));
        assert_eq!(place("https://github.com/o/r/tree/v1/skills/x"), is("o/r", "v1", "skills/x"));
        assert_eq!(place("https://github.com/o/r/blob/main/x/SKILL.md?a#b"), is("o/r", "main", "x"));
        for other in ["o", "", "o/../r", "o/r/../..", "https://evil.test/o/r", "https://github.com.evil/o/r"]
        {
            assert_eq!(place(other), None, "{other}");
        }
    }

    #[test]
    fn steps_of_an_address_lead_nowhere_else() {
        let url = address("https://h.test/base/", "", &["o", "a?b#c", "x.zip"]).unwrap();
        assert_eq!(url.as_str(), "https://h.test/base/o/a%3Fb%23c/x.zip");
        assert!(address("nothing", "", &[]).is_err() && address("data:x", "", &["a"]).is_err());
        let registry = Registry { base_url: "b".to_owned(), token: "secret".to_owned() };
        assert!(!format!("{registry:?}").contains("secret"));
    }
}
