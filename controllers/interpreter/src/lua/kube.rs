//! The library that scripts get with `require("kube")`.

use karmada_api::quantity::Amount;
use mlua::{Error, Lua, MultiValue, Table, Value as LuaValue};
use serde_json::Value;

use super::convert::{self, Encoder};
use crate::native;

/// Builds the library.
pub(super) fn library(lua: &Lua, lists: &Table) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("resourceAdd", lua.create_function(|_, quantities: MultiValue| resource_add(&quantities))?)?;
    library.raw_set("getResourceQuantity", lua.create_function(|_, arguments: MultiValue| quantity(&arguments))?)?;
    let known = lists.clone();
    library.raw_set(
        "accuratePodRequirements",
        lua.create_function(move |lua, arguments: MultiValue| {
            if arguments.len() != 1 {
                return Err(Error::runtime("getPodRequirements only accepts one argument"));
            }
            let spec = pod_spec(&known, arguments.front())?;
            match native::pod_requirements(&spec).map_err(Error::runtime)? {
                Some(requirements) => convert::to_lua(lua, &known, &requirements),
                None => Ok(LuaValue::Nil),
            }
        })?,
    )?;
    let known = lists.clone();
    library.raw_set(
        "getPodDependencies",
        lua.create_function(move |lua, arguments: MultiValue| {
            if arguments.len() != 2 {
                return Err(Error::runtime("getPodDependencies only accepts two argument"));
            }
            let spec = pod_spec(&known, arguments.front())?;
            let namespace = match arguments.get(1) {
                None | Some(LuaValue::Nil) => "default".to_owned(),
                Some(LuaValue::String(text)) => text.to_string_lossy(),
                Some(other) => return Err(expected_string(2, "getPodDependencies", other)),
            };
            let mut dependencies = native::pod_dependencies(&spec, &namespace);
            if dependencies.is_empty() {
                return Ok(LuaValue::Nil);
            }
            dependencies.sort_by(|left, right| (&left.kind, &left.name).cmp(&(&right.kind, &right.name)));
            let json = serde_json::to_value(dependencies).map_err(Error::external)?;
            convert::to_lua(lua, &known, &json)
        })?,
    )?;
    Ok(library)
}

fn expected_string(position: u8, function: &str, got: &LuaValue) -> Error {
    let got = match got {
        LuaValue::Integer(_) => "number",
        other => other.type_name(),
    };
    Error::runtime(format!("bad argument #{position} to {function} (string expected, got {got})"))
}

fn parse(text: &str) -> mlua::Result<Amount> {
    Amount::parse(text).map_err(|error| Error::runtime(format!("cannot parse '{text}': {error}")))
}

/// The sum of quantities; nil counts as nothing.
fn resource_add(quantities: &MultiValue) -> mlua::Result<String> {
    let mut sum = Amount::default();
    for (index, quantity) in quantities.iter().enumerate() {
        let text = match quantity {
            LuaValue::Nil => continue,
            LuaValue::String(text) => text.to_string_lossy(),
            LuaValue::Integer(whole) => whole.to_string(),
            LuaValue::Number(number) => number.to_string(),
            other => {
                return Err(expected_string(u8::try_from(index + 1).unwrap_or(u8::MAX), "resourceAdd", other));
            }
        };
        let amount = parse(&text)?;
        // The sum prints in the notation of the first quantity that is something.
        sum = if sum.is_zero() { amount } else { sum + amount };
    }
    Ok(sum.to_string())
}

/// A quantity as a number.
fn quantity(arguments: &MultiValue) -> mlua::Result<f64> {
    if arguments.len() != 1 {
        return Err(Error::runtime("getResourceQuantity only accepts one argument"));
    }
    let text = match arguments.front() {
        Some(LuaValue::String(text)) => text.to_string_lossy(),
        other => return Err(expected_string(1, "getResourceQuantity", other.unwrap_or(&LuaValue::Nil))),
    };
    let amount = parse(&text)?;
    if amount.is_negative() {
        return Err(Error::runtime(format!("int approximation unexpectedly returned a negative value: {text}")));
    }
    Ok(amount.as_f64())
}

/// The spec of a pod template that a script hands in.
fn pod_spec(lists: &Table, argument: Option<&LuaValue>) -> mlua::Result<Value> {
    let wrong = |error: &dyn std::fmt::Display| {
        Error::runtime(format!("fail to convert lua value to PodTemplateSpec: {error}"))
    };
    let template = match argument {
        Some(LuaValue::Table(table)) => Encoder::new(lists).top(table, &[]).map_err(|error| wrong(&error))?,
        other => {
            let got = other.map_or("nil", LuaValue::type_name);
            return Err(Error::runtime(format!("bad argument #1 (table expected, got {got})")));
        }
    };
    native::check_pod_template(&template).map_err(|error| wrong(&error))?;
    Ok(template.get("spec").cloned().unwrap_or_default())
}
