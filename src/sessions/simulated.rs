//! A disk in memory that loses what was not synced, fills up, and breaks off at any operation.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use super::disk::{Disk, Stamp};

/// Granularity at which unsynced bytes survive a power failure.
const BLOCK: usize = 16;

#[derive(Clone, Debug, Default)]
pub(super) struct Simulated(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    nodes: BTreeMap<u64, Node>,
    /// Operations until the machine stops.
    fuel: Option<u64>,
    /// Writes and syncs until one fails.
    fault: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    live: Vec<u8>,
    durable: Vec<u8>,
}

impl Simulated {
    /// Stops after this many operations; `None` never.
    pub(super) fn stop_after(&self, operations: Option<u64>) {
        self.0.lock().unwrap().fuel = operations;
    }

    /// Lets one write or sync fail after this many of them.
    pub(super) fn fail_after(&self, operations: u64) {
        self.0.lock().unwrap().fault = Some(operations);
    }

    /// What a file holds.
    pub(super) fn contents(&self, name: &str) -> Vec<u8> {
        let state = self.0.lock().unwrap();
        state.names.get(name).map(|inode| state.nodes[inode].live.clone()).unwrap_or_default()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().names.keys().cloned().collect()
    }

    /// The kernel writes some files back of its own accord.
    pub(super) fn write_back(&self, mut choose: impl FnMut() -> u8) {
        let mut state = self.0.lock().unwrap();
        for node in state.nodes.values_mut() {
            if choose() == 1 {
                node.durable = node.live.clone();
            }
        }
        if choose() == 1 {
            state.durable_names = state.names.clone();
        }
    }

    /// The machine loses power: of what was not synced, `choose` says for each piece what became of it
    /// (0: never reached the disk, 1: did, 2: its block was allocated but not written).
    pub(super) fn lose_power(&self, mut choose: impl FnMut() -> u8) {
        let mut state = self.0.lock().unwrap();
        let all: BTreeSet<String> = state.names.keys().chain(state.durable_names.keys()).cloned().collect();
        let mut names = BTreeMap::new();
        for name in all {
            let (live, durable) = (state.names.get(&name).copied(), state.durable_names.get(&name).copied());
            if let Some(inode) = if live == durable || choose() == 1 { live } else { durable } {
                names.insert(name, inode);
            }
        }
        state.names = names.clone();
        state.durable_names = names;
        for node in state.nodes.values_mut().filter(|node| node.live != node.durable) {
            let mut after = node.durable.clone();
            for at in (0..node.live.len()).step_by(BLOCK) {
                let end = (at + BLOCK).min(node.live.len());
                match choose() {
                    1 => {
                        after.resize(after.len().max(end), 0);
                        after[at..end].copy_from_slice(&node.live[at..end]);
                    }
                    2 => after.resize(after.len().max(end), 0),
                    _ => {}
                }
            }
            if node.live.len() < after.len() && choose() == 1 {
                after.truncate(node.live.len());
            }
            *node = Node { live: after.clone(), durable: after };
        }
        state.fuel = None;
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        match &mut self.fuel {
            Some(0) => return Err(io::Error::other("the machine stopped")),
            Some(fuel) => *fuel -= 1,
            None => {}
        }
        Ok(())
    }

    /// Whether this write or sync fails although the machine runs.
    fn faulty(&mut self) -> bool {
        match self.fault {
            Some(0) => {
                self.fault = None;
                true
            }
            Some(left) => {
                self.fault = Some(left - 1);
                false
            }
            None => false,
        }
    }

    fn node(&mut self, name: &str) -> &mut Node {
        let next = self.nodes.len() as u64 + 1;
        let inode = *self.names.entry(name.to_owned()).or_insert(next);
        self.nodes.entry(inode).or_default()
    }
}

impl Disk for Simulated {
    fn journal(&self) -> String {
        self.0.lock().unwrap().node(".journal");
        ".journal".to_owned()
    }

    fn orphans(&self) -> Vec<String> {
        Vec::new()
    }

    fn revive(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn stamp(&mut self, name: &str) -> io::Result<Option<Stamp>> {
        let state = self.0.lock().unwrap();
        let inode = state.names.get(name).copied();
        Ok(inode.map(|inode| Stamp { len: state.nodes[&inode].live.len() as u64, inode }))
    }

    fn read_at(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap();
        let live = &state.node(name).live;
        let from = live.len().min(usize::try_from(offset).unwrap());
        let read = buffer.len().min(live.len() - from);
        buffer[..read].copy_from_slice(&live[from..from + read]);
        Ok(read)
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<u64> {
        let mut state = self.0.lock().unwrap();
        let stopped = state.step();
        let faulty = stopped.is_ok() && state.faulty();
        let bytes = if stopped.is_ok() && !faulty { bytes } else { &bytes[..bytes.len() / 2] };
        if stopped.is_err() && state.fuel == Some(0) && !state.names.contains_key(name) {
            return stopped.map(|()| 0);
        }
        let node = state.node(name);
        let (start, end) = (usize::try_from(offset).unwrap(), usize::try_from(offset).unwrap() + bytes.len());
        node.live.resize(node.live.len().max(end), 0);
        node.live[start..end].copy_from_slice(bytes);
        let inode = state.names[name];
        if faulty { Err(io::ErrorKind::StorageFull.into()) } else { stopped.map(|()| inode) }
    }

    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.cut(name, 0)?;
        self.write_at(name, 0, bytes).map(drop)
    }

    fn cut(&mut self, name: &str, len: u64) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        state.node(name).live.truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn sync(&mut self, names: &[&str]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        for name in names {
            state.step()?;
            if state.faulty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if state.names.contains_key(*name) {
                let node = state.node(name);
                node.durable = node.live.clone();
            }
        }
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        for node in state.nodes.values_mut() {
            node.durable = node.live.clone();
        }
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        state.names.remove(name);
        Ok(())
    }
}
