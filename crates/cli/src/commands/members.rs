//! Members of storages and networks as typed: `HOST:POOL`, `HOST=bridge:NAME`.

use crate::{
    context::Context,
    exit::{Fault, Outcome},
    resolve,
};
use bellwether_api::{
    network::{Carrier, CarrierKind, NetworkMemberInput},
    storage::StorageMemberInput,
};

/// `HOST:POOL`.
pub async fn pools(cx: &Context, typed: &[String]) -> Outcome<Vec<StorageMemberInput>> {
    let mut members = Vec::new();
    for text in typed {
        let Some((host, pool)) = text
            .split_once(':')
            .filter(|(h, p)| !h.is_empty() && !p.is_empty())
        else {
            return Err(Fault::usage(format!("'{text}' is not HOST:POOL.")));
        };
        members.push(StorageMemberInput {
            host: resolve::host(cx, host).await?,
            pool: pool.into(),
        });
    }
    Ok(members)
}

/// `HOST=bridge:NAME` or `HOST=libvirt:NAME`.
pub async fn carriers(cx: &Context, typed: &[String]) -> Outcome<Vec<NetworkMemberInput>> {
    let mut members = Vec::new();
    for text in typed {
        let (host, carrier) = split(text)?;
        members.push(NetworkMemberInput {
            host: resolve::host(cx, host).await?,
            carrier,
        });
    }
    Ok(members)
}

fn split(text: &str) -> Outcome<(&str, Carrier)> {
    let wrong = || {
        Fault::usage(format!(
            "'{text}' is not HOST=bridge:NAME or HOST=libvirt:NAME."
        ))
    };
    let (host, carrier) = text.split_once('=').ok_or_else(wrong)?;
    let (kind, name) = carrier.split_once(':').ok_or_else(wrong)?;
    let kind: CarrierKind = kind.parse().map_err(|_| wrong())?;
    if host.is_empty() || name.is_empty() {
        return Err(wrong());
    }
    Ok((
        host,
        Carrier {
            kind,
            name: name.into(),
        },
    ))
}

/// A carrier as it would be typed.
pub fn typed(carrier: &Carrier) -> String {
    format!("{}:{}", carrier.kind, carrier.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_read_as_they_are_shown() {
        let (host, carrier) = split("h1=bridge:br0").unwrap();
        assert_eq!((host, typed(&carrier).as_str()), ("h1", "bridge:br0"));
        for wrong in ["h1", "h1=br0", "h1=ovs:x", "=bridge:br0", "h1=bridge:"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
