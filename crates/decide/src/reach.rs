//! Whether a guest is reachable, from the addresses its host knows of it.

use bellwether_model::observed::Reach;
use std::net::IpAddr;

/// Whether a guest that should have `address` has it, where its host knows of `found`: none says nothing.
pub fn reach(address: IpAddr, found: &[IpAddr]) -> Reach {
    if found.contains(&address) {
        Reach::Yes
    } else if found
        .iter()
        .any(|other| other.is_ipv4() == address.is_ipv4())
    {
        Reach::No
    } else {
        Reach::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_host_can_know_is_unknown() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let own = ip("10.1.0.10");
        assert_eq!(reach(own, &[ip("fe80::1"), own]), Reach::Yes);
        assert_eq!(reach(own, &[ip("192.168.122.4")]), Reach::No);
        assert_eq!(reach(own, &[ip("fe80::1")]), Reach::Unknown);
        assert_eq!(reach(own, &[]), Reach::Unknown);
    }
}
