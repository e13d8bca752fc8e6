//! A command with everything that it started.

use std::collections::BTreeSet;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Most processes that are looked for below one.
const MAX_DESCENDANTS: usize = 4096;

/// A process that leads a group of its own. Dropping this kills the group, and what was started below it and left it.
#[derive(Debug)]
pub struct Group {
    leader: Pid,
    // Whether the leader is still ours: once it was waited for, its number may become somebody else's.
    reaped: bool,
}

impl Group {
    /// The group that the process of this number leads.
    pub fn of(leader: u32) -> Option<Self> {
        Some(Self { leader: Pid::from_raw(i32::try_from(leader).ok()?)?, reaped: false })
    }

    /// Asks all of the group to end.
    pub fn terminate(&self) {
        // Nobody is there any more if it fails, which is what was wanted.
        let _ = kill_process_group(self.leader, Signal::TERM);
    }

    /// Everything that was started below the leader and is still there.
    pub fn descendants(&self) -> Descendants {
        let mut found = BTreeSet::new();
        let mut open = vec![self.leader.as_raw_pid()];
        while let Some(pid) = open.pop() {
            for child in children(pid) {
                if found.len() < MAX_DESCENDANTS && found.insert(child) {
                    open.push(child);
                }
            }
        }
        Descendants(found)
    }

    /// Kills what is left after the leader has ended and was waited for.
    pub fn sweep(&mut self) {
        self.reaped = true;
        // While a member lives the number stays taken; without one there is nothing to kill.
        let _ = kill_process_group(self.leader, Signal::KILL);
    }

    /// Kills all of it at once.
    pub fn kill(&self) {
        let descendants = self.descendants();
        let _ = kill_process_group(self.leader, Signal::KILL);
        descendants.kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
        }
    }
}

/// Processes by their numbers.
#[derive(Debug)]
pub struct Descendants(BTreeSet<i32>);

impl Descendants {
    /// Kills them; who has ended meanwhile is gone.
    pub fn kill(&self) {
        for pid in self.0.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The children of all threads of a process. None where the system does not tell.
fn children(pid: i32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}
