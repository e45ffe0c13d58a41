//! Usual and bad days of the real bellwetherd on real hosts: logged into, looked at, switched, moved with its disk; and killed between any two steps, its owner of a job asleep, libvirtd
//! restarted under it, a target cut off while a VM moves there, a host dead while a VM is made; and what Grafana shows of them. Run with
//! `BELLWETHER_LAB=1`, as root.

#![allow(clippy::unwrap_used)] // in a test a panic is the message

mod asleep;
mod daemon;
mod dashboards;
mod full_disk;
mod gaps;
mod hosts;
mod house;
mod killed;
#[path = "../monitoring/mod.rs"]
mod monitoring;
mod network;
mod policies;
mod screen;
mod story;
mod usual;
