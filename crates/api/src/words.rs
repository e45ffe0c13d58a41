//! Words on the wire that stand for a variant of something inside.

/// Declares an enum of snake_case words, its conversion from the model's enum (every variant of the model's must be
/// named, or it does not compile), `as_str`, `Display` and `FromStr`.
macro_rules! words {
    ($(#[doc = $doc:literal])* $name:ident from $model:ty { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        words! { $(#[doc = $doc])* $name { $($(#[$vdoc])* $variant = $text),+ } }
        impl From<$model> for $name {
            fn from(inner: $model) -> Self {
                match inner { $(<$model>::$variant => Self::$variant),+ }
            }
        }
        impl From<$name> for $model {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant),+ }
            }
        }
    };
    ($(#[doc = $doc:literal])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }
        impl $name {
            /// Every word, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
        // By hand: utoipa's derive does not see a renaming that came through a macro.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, Type};
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some([$($text),+]))
                    .description(Some(concat!($($doc),*).trim()))
                    .into()
            }
        }
        impl utoipa::ToSchema for $name {}
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(format!("'{}' is none of: {}", bellwether_model::text::shown(other), [$($text),+].join(", "))),
                }
            }
        }
    };
}
