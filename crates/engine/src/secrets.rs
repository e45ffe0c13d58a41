//! First passwords: made where a person gave no key, shown to them once, kept nowhere afterwards.

use crate::{Actor, Engine};
use bellwether_model::{Error, Result, VmId, request::RequestState};
use rand::TryRngCore;
use secrecy::{ExposeSecret, SecretString};
use sha_crypt::{PasswordHasher, ShaCrypt};

/// Letters and digits that can't be mistaken for one another.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A password of `length` characters, five bits of entropy each.
pub(crate) fn random_password(length: usize) -> Result<SecretString> {
    let mut bytes = vec![0_u8; length];
    rand::rngs::OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(Error::internal)?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect::<String>()
        .into())
}

/// Bytes of a salt whose base64 has the 16 characters that SHA-crypt's definition allows (Drepper, "Unix crypt using
/// SHA-256 and SHA-512", 2008). Of a longer one a guest's `crypt` drops the rest, and no password ever fits the hash.
const SALT_BYTES: usize = 12;

/// SHA-512 crypt (`$6$`), which every Linux guest understands.
pub(crate) fn crypt(password: &SecretString) -> Result<String> {
    let mut salt = [0_u8; SALT_BYTES];
    rand::rngs::OsRng
        .try_fill_bytes(&mut salt)
        .map_err(Error::internal)?;
    ShaCrypt::default()
        .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| Error::internal(format!("hashing a guest's password: {error}")))
}

/// Shows the first password of one's own VM; afterwards it is gone.
pub async fn take_first_password(
    engine: &Engine,
    actor: &Actor,
    id: VmId,
) -> Result<Option<SecretString>> {
    let vm = engine.store().vm(id).await?;
    // Not even an admin sees it: it is the owner's way in.
    if vm.owner != actor.user {
        actor.may_see(vm.owner, "VM")?;
        return Err(Error::forbidden(
            "Only the owner can see the first password.",
        ));
    }
    let mut tx = engine.store().begin().await?;
    if let Some(request) = vm.request
        && tx.request(request).await?.state == RequestState::Placed
    {
        return Err(Error::conflict(
            "The VM is still being made; its first password can be shown once it runs.",
        ));
    }
    let password = tx.take_first_password(id).await?;
    if password.is_some() {
        engine
            .audit(
                &mut tx,
                Some(actor),
                "vm.first_password",
                "vm",
                id,
                "looked at the first password",
            )
            .await?;
    }
    tx.commit().await?;
    Ok(password.map(SecretString::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_own_crypt_comes_to_the_same_hash() {
        let password = random_password(16).unwrap();
        assert_eq!(password.expose_secret().len(), 16);
        let hashes = [(); 2].map(|()| crypt(&password).unwrap());
        assert_ne!(hashes[0], hashes[1], "each has a salt of its own");
        for hash in hashes {
            let fields: Vec<_> = hash.split('$').collect();
            assert_eq!(fields[..2], ["", "6"], "{hash}");
            let salt = fields[fields.len() - 2];
            assert_eq!(salt.len(), 16, "{hash}");
        }
    }
}
