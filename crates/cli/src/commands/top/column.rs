//! The columns of the VM table: as virt-top's users know them, with where it is, what it waits for, and until when.

use super::frame::VmRow;
use crate::text::bytes;
use bellwether_api::vm::PowerState;
use clap::ValueEnum;
use std::cmp::Ordering;

/// A column, which is also an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Column {
    /// State
    State,
    /// CPU in use, of its vCPUs
    Cpu,
    /// What it was ready to use but had to wait for, of its vCPUs
    Wait,
    /// Memory the guest uses, of what it has
    Mem,
    /// Read from disks
    Read,
    /// Written to disks
    Write,
    /// Received
    Receive,
    /// Sent
    Send,
    /// CPU time since it was started, or came to its host
    Time,
    /// Last day of its lease
    Lease,
    /// Its host
    Host,
    /// Whose it is
    Owner,
    /// Its name
    Name,
}

impl Column {
    /// All of them, from left to right.
    pub const ALL: [Self; 13] = [
        Self::State,
        Self::Cpu,
        Self::Wait,
        Self::Mem,
        Self::Read,
        Self::Write,
        Self::Receive,
        Self::Send,
        Self::Time,
        Self::Lease,
        Self::Host,
        Self::Owner,
        Self::Name,
    ];

    /// Those that are given room first; the line of the last looks comes after [`Column::BEFORE_COURSE`] of them.
    pub const BY_WEIGHT: [Self; 12] = [
        Self::State,
        Self::Cpu,
        Self::Wait,
        Self::Mem,
        Self::Host,
        Self::Read,
        Self::Write,
        Self::Receive,
        Self::Send,
        Self::Time,
        Self::Lease,
        Self::Owner,
    ];
    /// How many columns weigh more than the line of the last looks.
    pub const BEFORE_COURSE: usize = 5;

    /// Its head.
    pub fn title(self) -> &'static str {
        match self {
            Self::State => "S",
            Self::Cpu => "%CPU",
            Self::Wait => "%WAIT",
            Self::Mem => "%MEM",
            Self::Read => "READ/s",
            Self::Write => "WRITE/s",
            Self::Receive => "RECV/s",
            Self::Send => "SENT/s",
            Self::Time => "TIME",
            Self::Lease => "LEASE",
            Self::Host => "HOST",
            Self::Owner => "OWNER",
            Self::Name => "NAME",
        }
    }

    /// The key that sorts by it.
    pub fn key(self) -> char {
        match self {
            Self::State => 's',
            Self::Cpu => 'c',
            Self::Wait => 'w',
            Self::Mem => 'm',
            Self::Read => 'd',
            Self::Write => 'D',
            Self::Receive => 'n',
            Self::Send => 'N',
            Self::Time => 't',
            Self::Lease => 'l',
            Self::Host => 'h',
            Self::Owner => 'o',
            Self::Name => 'a',
        }
    }

    /// Characters it takes; names take what is left.
    pub fn width(self) -> u16 {
        match self {
            Self::State => 1,
            Self::Cpu | Self::Wait | Self::Mem => 6,
            Self::Read | Self::Write | Self::Receive | Self::Send => 9,
            Self::Time => 10,
            Self::Lease => 10,
            Self::Host | Self::Owner => 12,
            Self::Name => 20,
        }
    }

    /// Figures stand at the right.
    pub fn is_figure(self) -> bool {
        !matches!(
            self,
            Self::State | Self::Lease | Self::Host | Self::Owner | Self::Name
        )
    }

    /// What stands in it.
    pub fn cell(self, vm: &VmRow) -> String {
        let live = vm.power.is_live();
        let figure = |value: Option<String>| match live {
            true => value.unwrap_or_else(|| "?".into()),
            false => "-".into(),
        };
        let percent =
            |share: Option<f64>| figure(share.map(|share| format!("{:.1}", share * 100.0)));
        let rate = |bytes: Option<f64>| figure(bytes.map(short));
        match self {
            Self::State => letter(vm).into(),
            Self::Cpu => percent(vm.cpu_share),
            Self::Wait => percent(vm.wait_share),
            Self::Mem => percent(vm.memory_share),
            Self::Read => rate(vm.disk_read_bytes_per_second),
            Self::Write => rate(vm.disk_written_bytes_per_second),
            Self::Receive => rate(vm.received_bytes_per_second),
            Self::Send => rate(vm.sent_bytes_per_second),
            Self::Time => figure(vm.cpu_seconds.map(clock)),
            Self::Lease => vm.lease_until.clone().unwrap_or_else(|| "-".into()),
            Self::Host => vm.host.clone(),
            Self::Owner => vm.owner.clone().unwrap_or_else(|| "-".into()),
            Self::Name => vm.name.clone(),
        }
    }

    /// The order of two VMs: of figures the largest first, the unknown last; of words by the alphabet. Equal ones by name,
    /// so that they keep their places.
    pub fn order(self, a: &VmRow, b: &VmRow) -> Ordering {
        let largest = |of: fn(&VmRow) -> Option<f64>| {
            let value = |vm| of(vm).unwrap_or(-1.0);
            value(b).total_cmp(&value(a))
        };
        let order = match self {
            Self::State => letter(b).cmp(letter(a)),
            Self::Cpu => largest(|vm| vm.cpu_share),
            Self::Wait => largest(|vm| vm.wait_share),
            Self::Mem => largest(|vm| vm.memory_share),
            Self::Read => largest(|vm| vm.disk_read_bytes_per_second),
            Self::Write => largest(|vm| vm.disk_written_bytes_per_second),
            Self::Receive => largest(|vm| vm.received_bytes_per_second),
            Self::Send => largest(|vm| vm.sent_bytes_per_second),
            Self::Time => largest(|vm| vm.cpu_seconds),
            // The one that ends first is of interest; what has no lease never ends.
            Self::Lease => {
                let none = |vm: &VmRow| vm.lease_until.is_none();
                none(a)
                    .cmp(&none(b))
                    .then_with(|| a.lease_until.cmp(&b.lease_until))
            }
            Self::Host => a.host.cmp(&b.host),
            Self::Owner => a.owner.cmp(&b.owner),
            Self::Name => Ordering::Equal,
        };
        order
            .then_with(|| a.name.cmp(&b.name))
            .then_with(|| a.uuid.cmp(&b.uuid))
            .then_with(|| a.host.cmp(&b.host))
    }
}

/// virt-top's letters, with M for one that is moving.
fn letter(vm: &VmRow) -> &'static str {
    match vm.power {
        _ if vm.migrating => "M",
        PowerState::Running => "R",
        PowerState::Paused => "P",
        PowerState::ShuttingDown => "D",
        PowerState::ShutOff => "O",
        PowerState::Crashed => "X",
    }
}

/// Bytes in as few characters as will do: `0`, `512`, `1.5K`, `12M`.
fn short(value: f64) -> String {
    let text = bytes(value);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let unit = unit.strip_suffix("iB").unwrap_or("");
    format!("{number}{unit}")
}

/// CPU time as virt-top has it: `1:02:03`, `2:03.45`.
fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..3_600 => format!("{}:{:05.2}", whole / 60, seconds.max(0.0) % 60.0),
        _ => format!(
            "{}:{:02}:{:02}",
            whole / 3_600,
            whole % 3_600 / 60,
            whole % 60
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(
            [0.0, 512.0, 1_536.0, 12e6].map(short),
            ["0", "512", "1.5K", "11.4M"]
        );
        assert_eq!(
            [3.456, 125.0, 3_723.0].map(clock),
            ["0:03.46", "2:05.00", "1:02:03"]
        );
    }

    #[test]
    fn every_column_has_a_key_of_its_own() {
        let keys: std::collections::BTreeSet<char> = Column::ALL.map(Column::key).into();
        assert_eq!(keys.len(), Column::ALL.len());
        for taken in "qj k/?\u{1b}rHVgG".chars() {
            assert!(!keys.contains(&taken), "{taken}");
        }
    }
}
