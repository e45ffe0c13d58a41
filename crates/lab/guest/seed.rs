//! What a NoCloud seed asks for, as data. Accepted: from meta-data `local-hostname` and `public-keys`; from user-data
//! (`#cloud-config`) `hostname`, `ssh_authorized_keys`, `password`, `users` (name, `ssh_authorized_keys`, `passwd`,
//! `plain_text_passwd`, `lock_passwd`) and `chpasswd` (`users` or `list`); network-config versions 1 and 2. Keys other than these are ignored.

use crate::yaml::{self, Value};

/// The user that keys and passwords without a name are for.
pub const DEFAULT_USER: &str = "bellwether";

/// What to do to become the machine the seed describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seed {
    /// The hostname.
    pub hostname: Option<String>,
    /// Network interfaces, in the order written.
    pub interfaces: Vec<Interface>,
    /// Name servers.
    pub dns: Vec<String>,
    /// Who may log in.
    pub users: Vec<User>,
    /// What could not be understood, to be shown on the console.
    pub complaints: Vec<String>,
}

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Hardware address it is known by, lower case.
    pub mac: Option<String>,
    /// Name it is known by when no hardware address is given.
    pub name: Option<String>,
    /// Addresses with prefix.
    pub addresses: Vec<String>,
    /// Default gateway.
    pub gateway: Option<String>,
    /// Whether to ask for an address.
    pub dhcp: bool,
}

/// One login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Public keys, one line each.
    pub keys: Vec<String>,
    /// The password.
    pub password: Option<Password>,
}

/// A password, as text or already hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// As typed.
    Plain(String),
    /// As in /etc/shadow.
    Hashed(String),
}

/// Reads a seed's three files; a missing one is empty text.
pub fn read(meta_data: &str, user_data: &str, network_config: &str) -> Seed {
    let mut seed = Seed::default();
    let mut understood = |what: &str, text: &str| {
        yaml::parse(text).unwrap_or_else(|error| {
            seed.complaints.push(format!("{what}: {error}"));
            Value::Text(String::new())
        })
    };
    let meta = understood("meta-data", meta_data);
    let user = if user_data.trim_start().starts_with("#cloud-config") {
        understood("user-data", user_data)
    } else {
        Value::Text(String::new())
    };
    let network = understood("network-config", network_config);

    seed.hostname = ["hostname", "local-hostname"]
        .iter()
        .find_map(|key| user.text_at(key).or_else(|| meta.text_at(key)))
        .map(String::from);
    read_users(&meta, &user, &mut seed.users);
    let network = network.get("network").unwrap_or(&network);
    match network.text_at("version") {
        Some("2") => read_version_2(network, &mut seed),
        Some("1") => read_version_1(network, &mut seed),
        Some(other) => seed.complaints.push(format!(
            "network-config: version {other} is neither 1 nor 2"
        )),
        None => {}
    }
    seed
}

fn read_users(meta: &Value, user: &Value, users: &mut Vec<User>) {
    for entry in user.items_at("users") {
        let Some(name) = entry
            .text_at("name")
            .or_else(|| entry.text().map(|_| DEFAULT_USER))
        else {
            continue;
        };
        let one = user_named(users, name);
        one.keys
            .extend(texts(entry.items_at("ssh_authorized_keys")));
        if let Some(hash) = entry
            .text_at("passwd")
            .or_else(|| entry.text_at("hashed_passwd"))
        {
            one.password = Some(Password::Hashed(hash.to_owned()));
        }
        if let Some(plain) = entry.text_at("plain_text_passwd") {
            one.password = Some(Password::Plain(plain.to_owned()));
        }
    }
    // What names nobody is for the first user there is.
    let first = users
        .first()
        .map_or_else(|| DEFAULT_USER.to_owned(), |user| user.name.clone());
    let keys: Vec<String> = texts(user.items_at("ssh_authorized_keys"))
        .chain(texts(meta.items_at("public-keys")))
        .collect();
    if !keys.is_empty() {
        user_named(users, &first).keys.extend(keys);
    }
    if let Some(plain) = user.text_at("password") {
        user_named(users, &first).password = Some(typed(plain));
    }
    let Some(change) = user.get("chpasswd") else {
        return;
    };
    for entry in change.items_at("users") {
        if let (Some(name), Some(password)) = (entry.text_at("name"), entry.text_at("password")) {
            user_named(users, name).password = Some(if entry.text_at("type") == Some("hash") {
                Password::Hashed(password.to_owned())
            } else {
                typed(password)
            });
        }
    }
    for line in change
        .items_at("list")
        .iter()
        .filter_map(Value::text)
        .flat_map(str::lines)
    {
        if let Some((name, password)) = line.split_once(':') {
            user_named(users, name).password = Some(typed(password));
        }
    }
}

/// cloud-init takes a password that looks hashed for a hash.
fn typed(password: &str) -> Password {
    if password.starts_with("$6$") || password.starts_with("$5$") || password.starts_with("$y$") {
        Password::Hashed(password.to_owned())
    } else {
        Password::Plain(password.to_owned())
    }
}

fn user_named<'a>(users: &'a mut Vec<User>, name: &str) -> &'a mut User {
    let at = users
        .iter()
        .position(|user| user.name == name)
        .unwrap_or_else(|| {
            users.push(User {
                name: name.to_owned(),
                ..User::default()
            });
            users.len() - 1
        });
    &mut users[at]
}

fn texts(values: &[Value]) -> impl Iterator<Item = String> {
    values
        .iter()
        .filter_map(Value::text)
        .map(|text| text.trim().to_owned())
}

fn read_version_2(network: &Value, seed: &mut Seed) {
    let Some(Value::Map(ethernets)) = network.get("ethernets") else {
        return;
    };
    for (id, entry) in ethernets {
        let matching = entry.get("match");
        let mac = matching
            .and_then(|matching| matching.text_at("macaddress"))
            .map(str::to_lowercase);
        let routed = entry
            .items_at("routes")
            .iter()
            .find(|route| matches!(route.text_at("to"), Some("default" | "0.0.0.0/0")));
        let gateway = entry
            .text_at("gateway4")
            .or_else(|| routed.and_then(|route| route.text_at("via")));
        seed.interfaces.push(Interface {
            name: matching.is_none().then(|| id.clone()),
            mac,
            addresses: texts(entry.items_at("addresses"))
                .filter(|address| !address.contains(':'))
                .collect(),
            gateway: gateway.map(String::from),
            dhcp: entry.is_true("dhcp4"),
        });
        if let Some(servers) = entry.get("nameservers") {
            seed.dns.extend(texts(servers.items_at("addresses")));
        }
    }
}

fn read_version_1(network: &Value, seed: &mut Seed) {
    for entry in network.items_at("config") {
        match entry.text_at("type") {
            Some("physical") => {
                let mut interface = Interface {
                    mac: entry.text_at("mac_address").map(str::to_lowercase),
                    name: entry.text_at("name").map(String::from),
                    ..Interface::default()
                };
                for subnet in entry.items_at("subnets") {
                    match subnet.text_at("type") {
                        Some("dhcp" | "dhcp4") => interface.dhcp = true,
                        Some("static") => interface.addresses.extend(with_prefix(
                            subnet.text_at("address"),
                            subnet.text_at("netmask"),
                        )),
                        _ => {}
                    }
                    interface.gateway = interface
                        .gateway
                        .or(subnet.text_at("gateway").map(String::from));
                    seed.dns.extend(texts(subnet.items_at("dns_nameservers")));
                }
                seed.interfaces.push(interface);
            }
            Some("nameserver") => seed.dns.extend(texts(entry.items_at("address"))),
            _ => {}
        }
    }
}

fn with_prefix(address: Option<&str>, netmask: Option<&str>) -> Option<String> {
    let address = address?;
    if address.contains('/') {
        return Some(address.to_owned());
    }
    let mask: std::net::Ipv4Addr = netmask?.parse().ok()?;
    Some(format!("{address}/{}", u32::from(mask).count_ones()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_static_address_by_hardware_address() {
        let network = "version: 2\nethernets:\n  nic0:\n    match:\n      macaddress: \"52:54:00:AA:BB:CC\"\n    set-name: eth0\n    addresses: [10.1.2.3/24]\n    routes:\n      - to: default\n        via: 10.1.2.1\n    nameservers:\n      addresses: [10.1.2.1, 9.9.9.9]\n";
        let seed = read(
            "instance-id: i-1\nlocal-hostname: web-1\n",
            "#cloud-config\n{}\n",
            network,
        );
        assert_eq!(seed.hostname.as_deref(), Some("web-1"));
        assert_eq!(seed.complaints, Vec::<String>::new());
        let wanted = Interface {
            mac: Some("52:54:00:aa:bb:cc".into()),
            addresses: vec!["10.1.2.3/24".into()],
            gateway: Some("10.1.2.1".into()),
            ..Interface::default()
        };
        assert_eq!(seed.interfaces, [wanted]);
        assert_eq!(seed.dns, ["10.1.2.1", "9.9.9.9"]);
    }

    #[test]
    fn version_1_and_json_are_read_too() {
        let network = r#"{"network": {"version": 1, "config": [{"type": "physical", "name": "eth0", "subnets": [{"type": "static", "address": "10.1.2.3", "netmask": "255.255.255.0", "gateway": "10.1.2.1"}]}, {"type": "nameserver", "address": ["10.1.2.1"]}]}}"#;
        let seed = read("", "", network);
        assert_eq!(seed.interfaces[0].addresses, ["10.1.2.3/24"]);
        assert_eq!(seed.interfaces[0].gateway.as_deref(), Some("10.1.2.1"));
        assert_eq!(seed.dns, ["10.1.2.1"]);
    }

    #[test]
    fn keys_and_passwords_reach_their_user() {
        let user = "#cloud-config\nhostname: a\nusers:\n  - name: ann\n    ssh_authorized_keys: [ssh-ed25519 AAAA]\n    plain_text_passwd: secret\nssh_authorized_keys:\n  - ssh-rsa BBBB\nchpasswd:\n  expire: false\n  list: |\n    bob:$6$salt$hash\n";
        let seed = read("local-hostname: b\n", user, "");
        assert_eq!(seed.hostname.as_deref(), Some("a"));
        assert_eq!(
            seed.users[0],
            User {
                name: "ann".into(),
                keys: vec!["ssh-ed25519 AAAA".into(), "ssh-rsa BBBB".into()],
                password: Some(Password::Plain("secret".into()))
            }
        );
        assert_eq!(
            seed.users[1].password,
            Some(Password::Hashed("$6$salt$hash".into()))
        );
    }

    #[test]
    fn a_password_alone_is_for_the_default_user() {
        let seed = read("", "#cloud-config\npassword: pw\nssh_pwauth: true\n", "");
        assert_eq!(
            seed.users,
            [User {
                name: DEFAULT_USER.into(),
                keys: vec![],
                password: Some(Password::Plain("pw".into()))
            }]
        );
    }

    #[test]
    fn a_broken_file_is_complained_about_and_the_others_count() {
        let seed = read(
            "local-hostname: c\n",
            "#cloud-config\na: [1\n",
            "version: 3\n",
        );
        assert_eq!(seed.hostname.as_deref(), Some("c"));
        assert_eq!(seed.complaints.len(), 2);
    }
}
