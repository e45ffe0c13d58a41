//! A VM's screen, asked for as a viewer does: VNC (RFC 6143, sections 7.1 and 7.2) through an ssh tunnel to its host.

use crate::hosts::Hosts;
use des::{
    Des,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

/// The one kind of security RFC 6143 calls "VNC Authentication".
const VNC_AUTHENTICATION: u8 = 2;

/// Whether the screen at `address`, as seen on the host, lets in whoever has this password.
pub fn lets_in(hosts: &Hosts, host: usize, address: &str, password: &str) -> bool {
    let lab = &hosts.lab;
    let mut tunnel = Command::new("timeout")
        .arg("20")
        .arg(lab.ssh.join("ssh"))
        .args(["-W", address])
        .arg(format!("root@{}", lab.hosts[host].address))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = tunnel.stdin.take().unwrap();
    let mut from = tunnel.stdout.take().unwrap();
    let mut read = |length: usize| {
        let mut bytes = vec![0; length];
        from.read_exact(&mut bytes).unwrap();
        bytes
    };
    let version = read(12);
    assert_eq!(version, b"RFB 003.008\n");
    to.write_all(&version).unwrap();
    let kinds = read(1)[0];
    assert_eq!(read(kinds.into()), [VNC_AUTHENTICATION], "and nothing else");
    to.write_all(&[VNC_AUTHENTICATION]).unwrap();
    // The password is the key, each byte with its bits the other way round.
    let mut key = [0; 8];
    for (part, byte) in key.iter_mut().zip(password.bytes()) {
        *part = byte.reverse_bits();
    }
    let cipher = Des::new(&key.into());
    let mut answer = read(16);
    for block in answer.chunks_exact_mut(8) {
        cipher.encrypt_block(block.try_into().unwrap());
    }
    to.write_all(&answer).unwrap();
    let accepted = read(4) == [0; 4];
    tunnel.kill().unwrap();
    tunnel.wait().unwrap();
    accepted
}
