//! Which container we run in, by which the Agent adds the container's tags (the field `c:` of DogStatsD 1.2).
//!
//! As Datadog's own clients find it: a container's id in the control group's path (`ci-<id>`), else in the mounts
//! of the container's files, else the number of the control group's inode (`in-<inode>`), which the Agent can
//! translate where a namespace hides the path.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The inode of the host's own namespace of control groups: see the kernel's `proc_ns.h`.
const HOST_NAMESPACE: u64 = 0xEFFF_FFFB;

/// The origin of this process, as seen below `root`, which is `/` but for tests.
pub(super) fn origin(root: &Path) -> Option<String> {
    let cgroup = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    if let Some(id) = in_cgroup(&cgroup) {
        return Some(format!("ci-{id}"));
    }
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    if let Some(id) = mounts.lines().find_map(in_mount) {
        return Some(format!("ci-{id}"));
    }
    let namespace = fs::metadata(root.join("proc/self/ns/cgroup")).ok().map(|ns| ns.ino());
    if namespace == Some(HOST_NAMESPACE) {
        return None;
    }
    Some(format!("in-{}", inode(root, &cgroup)?))
}

/// Lines are `number:controllers:path`; the id is the last part of the path.
fn in_cgroup(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| {
        let last = line.splitn(3, ':').nth(2)?.rsplit('/').next()?;
        let last = last.strip_suffix(".scope").unwrap_or(last);
        id_at_end(last)
    })
}

/// A file that the container's runtime mounts for it, such as `/var/lib/docker/containers/<id>/hostname`.
fn in_mount(line: &str) -> Option<&str> {
    line.split_whitespace().find_map(|path| {
        let (directory, file) = path.rsplit_once('/')?;
        let (parent, id) = directory.rsplit_once('/')?;
        // The id of a pod's sandbox is not the container's.
        let sandbox = parent.rsplit('/').next() == Some("sandboxes");
        (file == "hostname" && !sandbox && is_id(id)).then_some(id)
    })
}

/// `name` or what follows a prefix such as `docker-` in it.
fn id_at_end(name: &str) -> Option<&str> {
    let starts = std::iter::once(0).chain(name.match_indices('-').map(|(at, _)| at + 1));
    starts.map(|at| &name[at..]).find(|rest| is_id(rest))
}

/// 64 hexadecimal digits, a UUID, or the id of a task on Fargate (32 hexadecimal digits, a dash, a number).
fn is_id(text: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let parts: Vec<&str> = text.split(['-', '_']).collect();
    match parts.as_slice() {
        [one] => hex(one, 64),
        [task, number] => hex(task, 32) && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()),
        [a, b, c, d, e] => hex(a, 8) && [b, c, d].iter().all(|part| hex(part, 4)) && hex(e, 12),
        _ => false,
    }
}

/// Of the unified hierarchy, or of the one for memory before there was a unified one.
fn inode(root: &Path, cgroup: &str) -> Option<u64> {
    [("memory", "sys/fs/cgroup/memory"), ("", "sys/fs/cgroup")].into_iter().find_map(|(controller, mount)| {
        let path = cgroup.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            (fields.next()? == controller).then(|| fields.next()).flatten()
        })?;
        let directory = root.join(mount).join(path.trim_start_matches('/'));
        fs::metadata(directory).ok().map(|directory| directory.ino())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn ids_are_found_in_every_runtimes_paths() {
        let id = "0123456789abcdef".repeat(4);
        for line in [
            format!("12:cpu:/docker/{id}"),
            format!("0::/system.slice/docker-{id}.scope"),
            format!("1:name=systemd:/kubepods.slice/kubepods-pod3d27.slice/cri-containerd-{id}.scope"),
        ] {
            assert_eq!(in_cgroup(&format!("0::/\n{line}\n")), Some(id.as_str()), "{line}");
        }
        let task = "34dc0b5e626f2c5c4c5170e34b10e765-1234567890";
        assert_eq!(in_cgroup(&format!("1:a:/ecs/34dc0b5e626f2c5c4c5170e34b10e765/{task}")), Some(task));
        let garden = "34dc0b5e-626f-2c5c-4c51-70e34b10e765";
        assert_eq!(in_cgroup(&format!("1:a:/garden/{garden}")), Some(garden));
        assert_eq!(in_cgroup("0::/user.slice/user-0.slice/session-1.scope\n0::/\nnonsense"), None);
    }

    #[test]
    fn a_namespace_that_hides_the_path_does_not_hide_the_mounts() {
        let id = "0123456789abcdef".repeat(4);
        let mounts =
            format!("9 8 0:1 / /proc rw\n7 6 8:1 /docker/containers/{id}/hostname /etc/hostname rw - ext4");
        let root = machine(&[("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", &mounts)]);
        assert_eq!(origin(root.path()), Some(format!("ci-{id}")));
        assert_eq!(in_mount(&format!("7 6 8:1 /run/sandboxes/{id}/hostname /etc/hostname rw")), None);
    }

    #[test]
    fn where_no_id_is_the_inode_stands_for_it() {
        let root = machine(&[("proc/self/cgroup", "0::/a\n"), ("sys/fs/cgroup/a/cgroup.procs", "")]);
        let inode = fs::metadata(root.path().join("sys/fs/cgroup/a")).unwrap().ino();
        assert_eq!(origin(root.path()), Some(format!("in-{inode}")));
        assert_eq!(origin(machine(&[]).path()), None);
    }
}
