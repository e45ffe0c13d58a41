//! Whether guests really run under KVM here. That `/dev/kvm` is there and opens says little: under some hypervisors a
//! guest then hangs, or each of its instructions is emulated one by one. So a tiny guest is started and has to do with
//! one second of CPU time what takes a processor some 30 ms. CPU time and not time: a busy machine is no reason to emulate.

use crate::run::tool;
use crate::state::write_secret;

/// CPU seconds the probe has, QEMU's own start (0.1 s) included. An emulated instruction takes about 2 µs, a real one
/// less than 1 ns: 60 million of them are far from the limit on either side.
const CPU_S: u32 = 1;

/// Seconds after which a probe that does not even use CPU time is given up.
const DEADLINE_S: u32 = 30;

/// What QEMU exits with when the guest wrote 0x10 to its exit port: `(0x10 << 1) | 1`.
const GUEST_FINISHED: i32 = 33;

/// The probe's ROM: switches to 64-bit mode with paging, counts down from 20 million with a write to memory each, and
/// writes 0x10 to port 0xf4. `probe.s` is its source.
const CODE: &[u8] = include_bytes!("accelerator/probe.bin");

/// Offset of the reset vector in a 64 KiB ROM.
const RESET: usize = 0xfff0;

/// `jmp` (16 bit, relative) from the reset vector to the ROM's first byte.
const JUMP_TO_START: [u8; 3] = [0xe9, 0x0d, 0x00];

/// Starts the probe's guest under KVM and says whether it came to its end in time.
pub fn kvm_runs_guests(scratch: &std::path::Path) -> bool {
    if !std::path::Path::new("/dev/kvm").exists() {
        return false;
    }
    let rom = scratch.join("kvm-probe.rom");
    if write_secret(&rom, rom_image()).is_err() {
        return false;
    }
    let output = tool([
        "prlimit",
        &format!("--cpu={CPU_S}"),
        "qemu-system-x86_64",
        "-accel",
        "kvm",
        "-machine",
        "q35",
        "-m",
        "64",
        "-display",
        "none",
        "-nodefaults",
        "-no-reboot",
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=4",
        "-bios",
        &rom.to_string_lossy(),
    ])
    .deadline_s(DEADLINE_S)
    .output();
    // Its own clean-up: what is left is a file in the lab's folder.
    let _ = std::fs::remove_file(&rom);
    output.is_ok_and(|output| output.status.code() == Some(GUEST_FINISHED))
}

fn rom_image() -> Vec<u8> {
    let mut rom = vec![0xf4; 0x1_0000];
    rom[..CODE.len()].copy_from_slice(CODE);
    rom[RESET..RESET + JUMP_TO_START.len()].copy_from_slice(&JUMP_TO_START);
    rom
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Under emulation the same guest must come to its end: otherwise the probe would call every machine unable.
    #[test]
    fn the_probe_itself_is_a_guest_that_runs() {
        let folder = tempfile::tempdir().unwrap();
        let rom = folder.path().join("probe.rom");
        std::fs::write(&rom, rom_image()).unwrap();
        if crate::run::which("qemu-system-x86_64").is_none() {
            println!("skipped: QEMU is not installed");
            return;
        }
        let output = tool([
            "qemu-system-x86_64",
            "-accel",
            "tcg",
            "-machine",
            "q35",
            "-m",
            "64",
            "-display",
            "none",
            "-nodefaults",
            "-no-reboot",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=4",
            "-bios",
            &rom.to_string_lossy(),
        ])
        .output()
        .unwrap();
        assert_eq!(
            output.status.code(),
            Some(GUEST_FINISHED),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
