//! The seed: a small FAT disk labelled CIDATA from which cloud-init (or anything that reads NoCloud) learns who the
//! guest is. cloud-init documents the format under "NoCloud"; the files hold JSON, which every YAML reader reads, so
//! that no text of a person is ever pasted into YAML.

use bellwether_model::{Error, Mac, Result};
use serde_json::{Value, json};
use std::{io::Write, net::IpAddr};

/// Bytes of the seed disk: room for three small files.
pub const SEED_BYTES: usize = 360 * 1024;

/// What the guest is told.
pub struct Seed<'a> {
    /// Changes when the guest should set itself up anew: the VM's id.
    pub instance: String,
    /// Host name.
    pub hostname: &'a str,
    /// Login made in the guest.
    pub user: &'a str,
    /// OpenSSH public key to let in.
    pub ssh_key: Option<&'a str>,
    /// Crypt hash of the first password.
    pub password_hash: Option<&'a str>,
    /// The network card.
    pub mac: Mac,
    /// Its address.
    pub address: IpAddr,
    /// Prefix length of its network.
    pub prefix: u8,
    /// Way out.
    pub gateway: Option<IpAddr>,
    /// Name servers.
    pub dns: &'a [IpAddr],
}

impl Seed<'_> {
    fn meta_data(&self) -> Value {
        json!({ "instance-id": self.instance, "local-hostname": self.hostname })
    }

    fn user_data(&self) -> Value {
        let mut user = json!({
            "name": self.user,
            "shell": "/bin/bash",
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "lock_passwd": self.password_hash.is_none(),
        });
        if let Some(key) = self.ssh_key {
            user["ssh_authorized_keys"] = json!([key]);
        }
        if let Some(hash) = self.password_hash {
            user["hashed_passwd"] = json!(hash);
        }
        json!({
            "hostname": self.hostname,
            "users": [user],
            "ssh_pwauth": self.password_hash.is_some(),
            "growpart": { "mode": "auto", "devices": ["/"] },
        })
    }

    fn network_config(&self) -> Value {
        let mut card = json!({
            "match": { "macaddress": self.mac.to_string() },
            "addresses": [format!("{}/{}", self.address, self.prefix)],
            "nameservers": { "addresses": self.dns },
        });
        if let Some(gateway) = self.gateway {
            let everywhere = if gateway.is_ipv6() {
                "::/0"
            } else {
                "0.0.0.0/0"
            };
            card["routes"] = json!([{ "to": everywhere, "via": gateway }]);
        }
        json!({ "version": 2, "ethernets": { "lan": card } })
    }

    /// The disk.
    pub fn disk(&self) -> Result<Vec<u8>> {
        let mut bytes = std::io::Cursor::new(vec![0_u8; SEED_BYTES]);
        let failed = |error: std::io::Error| Error::internal(format!("writing a seed: {error}"));
        let label = *b"CIDATA     ";
        fatfs::format_volume(
            &mut bytes,
            fatfs::FormatVolumeOptions::new().volume_label(label),
        )
        .map_err(failed)?;
        {
            let disk =
                fatfs::FileSystem::new(&mut bytes, fatfs::FsOptions::new()).map_err(failed)?;
            for (name, head, value) in [
                ("meta-data", "", self.meta_data()),
                ("user-data", "#cloud-config\n", self.user_data()),
                ("network-config", "", self.network_config()),
            ] {
                let mut file = disk.root_dir().create_file(name).map_err(failed)?;
                file.write_all(head.as_bytes()).map_err(failed)?;
                file.write_all(
                    serde_json::to_string_pretty(&value)
                        .map_err(Error::internal)?
                        .as_bytes(),
                )
                .map_err(failed)?;
                file.write_all(b"\n").map_err(failed)?;
            }
            disk.unmount().map_err(failed)?;
        }
        Ok(bytes.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn read(disk: &[u8], name: &str) -> String {
        let mut bytes = std::io::Cursor::new(disk.to_vec());
        let disk = fatfs::FileSystem::new(&mut bytes, fatfs::FsOptions::new()).unwrap();
        assert_eq!(disk.volume_label().trim(), "CIDATA");
        let mut text = String::new();
        disk.root_dir()
            .open_file(name)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn a_guest_finds_its_name_address_and_key() {
        let disk = Seed {
            instance: "i-1".into(),
            hostname: "web-1234",
            user: "ada",
            ssh_key: Some("ssh-ed25519 AAAA \"quoted\" comment"),
            password_hash: None,
            mac: Mac::local([1, 2, 3]),
            address: "10.0.0.7".parse().unwrap(),
            prefix: 24,
            gateway: Some("10.0.0.1".parse().unwrap()),
            dns: &["10.0.0.2".parse().unwrap()],
        }
        .disk()
        .unwrap();
        let user_data = read(&disk, "user-data");
        assert!(user_data.starts_with("#cloud-config\n"));
        let user: Value =
            serde_json::from_str(user_data.trim_start_matches("#cloud-config\n")).unwrap();
        assert_eq!(
            user["users"][0]["ssh_authorized_keys"][0],
            "ssh-ed25519 AAAA \"quoted\" comment"
        );
        assert_eq!(user["users"][0]["lock_passwd"], true);
        assert_eq!(user["ssh_pwauth"], false);
        let network: Value = serde_json::from_str(&read(&disk, "network-config")).unwrap();
        assert_eq!(network["ethernets"]["lan"]["addresses"][0], "10.0.0.7/24");
        assert_eq!(network["ethernets"]["lan"]["routes"][0]["via"], "10.0.0.1");
        let servers = &network["ethernets"]["lan"]["nameservers"]["addresses"];
        assert_eq!(servers[0], "10.0.0.2");
        let meta: Value = serde_json::from_str(&read(&disk, "meta-data")).unwrap();
        assert_eq!(meta["local-hostname"], "web-1234");
    }
}
