//! What every noun uses: lists, references, moments, secrets.

use bellwether_model::{HostId, ImageId, NetworkId, StorageId, Timestamp, UserId, VmId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use utoipa::ToSchema;
use uuid::Uuid;

/// Part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// How many match in all; absent where counting them would cost more than it tells (audit, jobs, migrations).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Give this back as `after` to get the next part; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> List<T> {
    /// A list that is complete.
    pub fn whole(items: Vec<T>) -> Self {
        Self {
            total: Some(items.len() as u64),
            items,
            next: None,
        }
    }
}

/// Another thing, by identifier and the name people know it by (login for people).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ref {
    /// Identifier.
    pub id: Uuid,
    /// Name; for a thing that is no longer known, "removed" with the beginning of its identifier.
    pub name: String,
}

impl Ref {
    /// A reference to `id`, called `name` if it is known.
    pub fn new(id: impl Into<Uuid>, name: Option<String>) -> Self {
        let id = id.into();
        let name = name.unwrap_or_else(|| format!("removed ({})", &id.simple().to_string()[..8]));
        Self { id, name }
    }
}

/// Knows what things are called; whoever turns model types into wire types brings one. None: not known (any more).
pub trait Names {
    /// Login of a person.
    fn user(&self, id: UserId) -> Option<String>;
    /// Name of a host.
    fn host(&self, id: HostId) -> Option<String>;
    /// Name of an image.
    fn image(&self, id: ImageId) -> Option<String>;
    /// Name of a storage.
    fn storage(&self, id: StorageId) -> Option<String>;
    /// Name of a network.
    fn network(&self, id: NetworkId) -> Option<String>;
    /// Display name of a VM.
    fn vm(&self, id: VmId) -> Option<String>;
}

macro_rules! refs {
    ($($function:ident $id:ident $method:ident),+) => {$(
        pub(crate) fn $function(names: &dyn Names, id: $id) -> Ref { Ref::new(id, names.$method(id)) }
    )+};
}
refs!(user_ref UserId user, host_ref HostId host, image_ref ImageId image, storage_ref StorageId storage, network_ref NetworkId network, vm_ref VmId vm);

/// A moment: RFC 3339 with the offset, `2026-11-24T12:00:00Z`. Written in UTC and whole seconds; read with any offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl utoipa::PartialSchema for Moment {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339, with the offset."))
            .into()
    }
}
impl ToSchema for Moment {}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl std::str::FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>()
            .map(|at| Self(Timestamp(at.as_microsecond())))
            .map_err(|_| {
                format!(
                    "'{}' is no moment; write it like 2026-11-24T12:00:00Z",
                    bellwether_model::text::shown(text)
                )
            })
    }
}
impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A password or token on its way; its `Debug` shows nothing, so that it can't reach a log by accident.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// The text itself, taken out.
    pub fn into_inner(self) -> String {
        self.0
    }
}
impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}
impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
impl utoipa::PartialSchema for Secret {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .into()
    }
}
impl ToSchema for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_the_instant_whatever_the_offset() {
        let utc: Moment = "2026-11-24T12:00:00Z".parse().unwrap();
        let there: Moment = "2026-11-24T13:00:00+01:00".parse().unwrap();
        assert_eq!(utc, there);
        assert_eq!(utc.to_string(), "2026-11-24T12:00:00Z");
        assert!("24.11.2026".parse::<Moment>().is_err());
    }

    #[test]
    fn secrets_do_not_show() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "[secret]");
    }
}
