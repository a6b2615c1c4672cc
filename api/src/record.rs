//! The macros that declare Karmada's types once: `record!` for structs, `string_enum!` for closed string sets and
//! `kind!` for objects.
//!
//! One declaration gives the Rust type, its JSON form (camelCase, with Go's `omitempty`) and its OpenAPI schema, so
//! that the three cannot drift apart; the documentation of a field is also its description in `kubectl explain`.
//!
//! A field's mode says how it travels:
//!
//! | mode | in the schema | in JSON |
//! |---|---|---|
//! | `req` | required | always written |
//! | `opt` | optional | written unless it has its default value |
//! | `always` | optional | always written |
//! | `inline` | its fields are the parent's | its fields are the parent's |

/// Whether a value is its type's default: such a value is left out of JSON, as Go's `omitempty` does.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads a field, where null means the default: Go reads it so, and other writers write it.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    let read: Option<T> = serde::Deserialize::deserialize(deserializer)?;
    Ok(read.unwrap_or_default())
}

/// The JSON name of a Rust field: camelCase.
pub(crate) fn camel(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut upper = false;
    for c in field.trim_start_matches("r#").chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            out.push(c.to_ascii_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    out
}

/// Declares a struct with its JSON form and schema; see the module's documentation.
macro_rules! record {
    ($(#[doc = $doc:literal])* pub struct $name:ident { $($body:tt)* }) => {
        $crate::record::record!(@fields [$($doc)*] $name [] [] $($body)*);
    };
    (@fields $doc:tt $name:ident [$($fields:tt)*] [$($schema:tt)*]
        $(#[doc = $fdoc:literal])* req $field:ident $(as $json:literal)? : $ty:ty $(= $extra:expr)?, $($rest:tt)*) => {
        $crate::record::record!(@fields $doc $name
            [$($fields)* $(#[doc = $fdoc])* $(#[serde(rename = $json)])?
                #[serde(deserialize_with = "crate::record::null_is_default")] pub $field: $ty,]
            [$($schema)* {req [$($fdoc)*] $field [$($json)?] $ty [$($extra)?]}]
            $($rest)*);
    };
    (@fields $doc:tt $name:ident [$($fields:tt)*] [$($schema:tt)*]
        $(#[doc = $fdoc:literal])* always $field:ident $(as $json:literal)? : $ty:ty $(= $extra:expr)?, $($rest:tt)*) => {
        $crate::record::record!(@fields $doc $name
            [$($fields)* $(#[doc = $fdoc])* $(#[serde(rename = $json)])?
                #[serde(deserialize_with = "crate::record::null_is_default")] pub $field: $ty,]
            [$($schema)* {always [$($fdoc)*] $field [$($json)?] $ty [$($extra)?]}]
            $($rest)*);
    };
    (@fields $doc:tt $name:ident [$($fields:tt)*] [$($schema:tt)*]
        $(#[doc = $fdoc:literal])* opt $field:ident $(as $json:literal)? : $ty:ty $(= $extra:expr)?, $($rest:tt)*) => {
        $crate::record::record!(@fields $doc $name
            [$($fields)* $(#[doc = $fdoc])* $(#[serde(rename = $json)])?
                #[serde(skip_serializing_if = "crate::record::is_default")]
                #[serde(deserialize_with = "crate::record::null_is_default")] pub $field: $ty,]
            [$($schema)* {opt [$($fdoc)*] $field [$($json)?] $ty [$($extra)?]}]
            $($rest)*);
    };
    (@fields $doc:tt $name:ident [$($fields:tt)*] [$($schema:tt)*]
        $(#[doc = $fdoc:literal])* inline $field:ident : $ty:ty, $($rest:tt)*) => {
        $crate::record::record!(@fields $doc $name
            [$($fields)* $(#[doc = $fdoc])* #[serde(flatten)] pub $field: $ty,]
            [$($schema)* {inline [] $field [] $ty []}]
            $($rest)*);
    };
    (@fields [$($doc:literal)*] $name:ident [$($fields:tt)*] [$({$mode:ident $fdoc:tt $field:ident $json:tt $ty:ty [$($extra:expr)?]})*]) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name { $($fields)* }

        impl $crate::schema::Schema for $name {
            fn schema() -> $crate::schema::S {
                let schema = $crate::schema::S::object(&[$($doc),*]);
                $(let schema = $crate::record::record!(@prop schema $mode $fdoc $field $json $ty [$($extra)?]);)*
                schema
            }

            fn go_form(value: &mut serde_json::Value) {
                $($crate::record::record!(@go value $mode $field $json $ty);)*
            }

            fn go_zero() -> serde_json::Value {
                serde_json::Value::Object(serde_json::Map::new())
            }
        }
    };
    (@go $value:ident inline $field:ident $json:tt $ty:ty) => {
        <$ty as $crate::schema::Schema>::go_form($value)
    };
    (@go $value:ident $mode:ident $field:ident $json:tt $ty:ty) => {
        $crate::schema::go_field::<$ty>(
            $value,
            &$crate::record::record!(@name $field $json),
            $crate::record::record!(@kept $mode),
        )
    };
    (@kept req) => { true };
    (@kept always) => { true };
    (@kept opt) => { false };
    (@prop $s:ident inline $fdoc:tt $field:ident $json:tt $ty:ty []) => {
        $s.inline(<$ty as $crate::schema::Schema>::schema())
    };
    (@prop $s:ident $mode:ident [$($fdoc:literal)*] $field:ident $json:tt $ty:ty [$($extra:expr)?]) => {{
        let property = <$ty as $crate::schema::Schema>::schema().describe(&[$($fdoc),*]);
        $(let change: fn($crate::schema::S) -> $crate::schema::S = $extra; let property = change(property);)?
        $s.property(&$crate::record::record!(@name $field $json), $crate::record::record!(@required $mode), property)
    }};
    (@name $field:ident []) => { $crate::record::camel(stringify!($field)) };
    (@name $field:ident [$json:literal]) => { $json.to_owned() };
    (@required req) => { true };
    (@required always) => { false };
    (@required opt) => { false };
}
pub(crate) use record;

/// Declares a closed set of strings as an enum whose first variant is the default. Spellings of older releases follow
/// after a bar: they are read, but not written and not offered.
macro_rules! string_enum {
    ($(#[doc = $doc:literal])* pub enum $name:ident {
        $(#[doc = $fdoc:literal])* $first:ident = $fvalue:literal $(| $falias:literal)*,
        $($(#[doc = $vdoc:literal])* $variant:ident = $value:literal $(| $alias:literal)*,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $(#[doc = $fdoc])*
            #[default]
            #[serde(rename = $fvalue $(, alias = $falias)*)]
            $first,
            $($(#[doc = $vdoc])* #[serde(rename = $value $(, alias = $alias)*)] $variant,)*
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[Self::$first, $(Self::$variant),*];

            /// The value as it stands in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::$first => $fvalue,
                    $(Self::$variant => $value,)*
                }
            }

            /// The value of this spelling, if it is one.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::schema::Schema for $name {
            fn schema() -> $crate::schema::S {
                $crate::schema::S::of_type("string").values(&[$fvalue, $($value),*])
            }

            const STRING_ENUM: bool = true;

            fn go_empty(value: &serde_json::Value) -> bool {
                value.as_str() == Some("")
            }

            fn go_zero() -> serde_json::Value {
                "".into()
            }
        }
    };
}
pub(crate) use string_enum;

/// Declares an object kind: metadata, its parts, and the traits that `kube::Api` needs.
macro_rules! kind {
    ($(#[doc = $doc:literal])* pub struct $name:ident: $group:literal $version:literal $plural:literal $scope:ident {
        $($(#[doc = $fdoc:literal])* $mode:ident $field:ident: $ty:ty,)*
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// Name, labels, annotations and the rest of what every object has.
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            $($(#[doc = $fdoc])* #[serde(deserialize_with = "crate::record::null_is_default")] pub $field: $ty,)*
        }

        impl $name {
            /// An object of this name, otherwise empty.
            #[must_use]
            pub fn new(name: &str) -> Self {
                let mut object = Self::default();
                object.metadata.name = Some(name.to_owned());
                object
            }
        }

        impl k8s_openapi::Resource for $name {
            const API_VERSION: &'static str = concat!($group, "/", $version);
            const GROUP: &'static str = $group;
            const KIND: &'static str = stringify!($name);
            const VERSION: &'static str = $version;
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = $crate::record::kind!(@scope $scope);
        }

        impl k8s_openapi::ListableResource for $name {
            const LIST_KIND: &'static str = concat!(stringify!($name), "List");
        }

        impl k8s_openapi::Metadata for $name {
            type Ty = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

            fn metadata(&self) -> &Self::Ty {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut Self::Ty {
                &mut self.metadata
            }
        }

        impl serde::Serialize for $name {
            fn serialize<Ser: serde::Serializer>(&self, serializer: Ser) -> Result<Ser::Ok, Ser::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("apiVersion", concat!($group, "/", $version))?;
                map.serialize_entry("kind", stringify!($name))?;
                map.serialize_entry("metadata", &self.metadata)?;
                $(if $crate::record::kind!(@keep $mode) || !$crate::record::is_default(&self.$field) {
                    map.serialize_entry(stringify!($field), &self.$field)?;
                })*
                map.end()
            }
        }

        impl $crate::schema::Schema for $name {
            fn schema() -> $crate::schema::S {
                let schema = $crate::schema::S::root(&[$($doc),*]);
                $(let schema = schema.property(
                    stringify!($field),
                    $crate::record::kind!(@keep $mode),
                    <$ty as $crate::schema::Schema>::schema().describe(&[$($fdoc),*]),
                );)*
                schema
            }

            fn go_form(value: &mut serde_json::Value) {
                $($crate::schema::go_field::<$ty>(value, stringify!($field), $crate::record::kind!(@keep $mode));)*
            }
        }
    };
    (@scope Namespaced) => { k8s_openapi::NamespaceResourceScope };
    (@scope Cluster) => { k8s_openapi::ClusterResourceScope };
    (@keep req) => { true };
    (@keep opt) => { false };
}
pub(crate) use kind;
