//! The pattern that layers, stages, sources and all other families share.
//!
//! A member is one file that holds its arguments (a struct that serde reads and schemars describes), its documentation
//! and what it does; the family is an ordered list of members. From the list come the enum that a pipeline is read into,
//! its schema, the names that a message suggests, and the dispatch to the member's trait.
//!
//! In YAML an item is `name: {arguments}`. An item whose arguments all have defaults may be a bare `name`; a member
//! that declares `x-bare` on its struct also takes the bare value of that argument: `dropout: 0.2`.

/// Declares a family: `family! { /// doc  pub enum Layer("layer"): LayerDefinition { conv2d::Conv2d, ... } }`.
///
/// With `in Holder` behind the trait each member stands in a `Holder<Type>`, which dereferences to it and knows the
/// name that a pipeline may give it.
///
/// Each member is `module::Type`; the name in YAML is the module's. The type implements the trait behind the colon, and
/// the enum dereferences to it.
#[macro_export]
macro_rules! family {
    (
        $(#[doc = $doc:literal])*
        pub enum $Family:ident($kind:literal): $Trait:ident { $($module:ident::$Type:ident),+ $(,)? }
    ) => {
        $crate::family! {
            @ $(#[doc = $doc])* pub enum $Family($kind): $Trait { $($module::$Type as $Type [*]),+ }
        }
    };
    (
        $(#[doc = $doc:literal])*
        pub enum $Family:ident($kind:literal): $Trait:ident in $Holder:ident { $($module:ident::$Type:ident),+ $(,)? }
    ) => {
        $crate::family! {
            @ $(#[doc = $doc])* pub enum $Family($kind): $Trait { $($module::$Type as $Holder<$Type> [**]),+ }
        }

        impl $Family {
            /// The name that a pipeline gives to this one.
            pub fn given_name(&self) -> Option<&str> {
                match self { $($Family::$Type(member) => member.name()),+ }
            }
        }
    };
    (
        @ $(#[doc = $doc:literal])*
        pub enum $Family:ident($kind:literal): $Trait:ident {
            $($module:ident::$Type:ident as $Held:ty [$($reached:tt)+]),+
        }
    ) => {
        $(pub mod $module; pub use $module::$Type;)+

        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[schemars(extend("x-family" = $kind))]
        pub enum $Family {
            $(
                #[allow(missing_docs)]
                $Type($Held),
            )+
        }

        impl $Family {
            /// The names of all members, as a pipeline writes them.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($module)),+];

            /// The name that a pipeline gives it.
            pub fn name(&self) -> &'static str {
                match self { $($Family::$Type(_) => stringify!($module)),+ }
            }
        }

        impl std::ops::Deref for $Family {
            type Target = dyn $Trait;

            fn deref(&self) -> &Self::Target {
                match self { $($Family::$Type(member) => &$($reached)+member),+ }
            }
        }
    };
}

/// Reads the documented examples of a member's arguments, as written in its `examples`. For tests over a family.
#[cfg(test)]
pub fn examples<F: schemars::JsonSchema>() -> Vec<(String, serde_json::Value)> {
    let schema = schemars::SchemaGenerator::default().into_root_schema_for::<F>();
    let schema = schema.as_value();
    let alternatives = schema["oneOf"].as_array().expect("a family is a choice");
    let mut all = Vec::new();
    for alternative in alternatives {
        let (name, arguments) = alternative["properties"].as_object().and_then(|p| p.iter().next()).expect("one key");
        let pointer = arguments["$ref"].as_str().expect("a struct of its own").trim_start_matches('#');
        let definition = schema.pointer(pointer).expect("a definition");
        let examples = definition["examples"].as_array().unwrap_or_else(|| panic!("{name} documents no example"));
        all.extend(examples.iter().map(|example| (name.clone(), serde_json::json!({ name.as_str(): example }))));
    }
    all
}
