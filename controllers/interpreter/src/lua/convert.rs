//! Values on their way into a machine and out of it.

use std::collections::HashSet;
use std::ffi::c_void;

use mlua::{Lua, LuaString, Table, Value as LuaValue};
use serde_json::{Map, Number, Value};

/// The name under which a machine remembers which of its tables were made from lists.
pub(super) const LISTS: &str = "karmada.lists";

/// Nesting beyond this is refused rather than risking the stack.
const MAX_DEPTH: usize = 200;

/// Why a value cannot leave the machine.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("cannot encode {0} to JSON")]
    Type(String),
    #[error("cannot encode recursively nested tables to JSON")]
    Nested,
    #[error("cannot encode sparse array")]
    Sparse,
    #[error("cannot encode mixed or invalid key types")]
    Keys,
    #[error("json: unsupported value: {0}")]
    Number(f64),
    #[error("{0}")]
    Machine(String),
}

impl From<mlua::Error> for EncodeError {
    fn from(error: mlua::Error) -> Self {
        Self::Machine(error.to_string())
    }
}

/// A JSON value as Lua sees it. Null is nil, and so is missing from objects and lists.
pub(super) fn to_lua(lua: &Lua, lists: &Table, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::Nil,
        Value::Bool(flag) => LuaValue::Boolean(*flag),
        Value::Number(number) => LuaValue::Number(number.as_f64().unwrap_or_default()),
        Value::String(text) => LuaValue::String(lua.create_string(text)?),
        Value::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            let mut index = 1;
            for item in items {
                if !item.is_null() {
                    table.raw_set(index, to_lua(lua, lists, item)?)?;
                    index += 1;
                }
            }
            lists.raw_set(&table, true)?;
            LuaValue::Table(table)
        }
        Value::Object(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, item) in map {
                if !item.is_null() {
                    table.raw_set(key.as_str(), to_lua(lua, lists, item)?)?;
                }
            }
            lists.raw_set(&table, false)?;
            LuaValue::Table(table)
        }
    })
}

/// Takes tables out of a machine. Where a table is empty, what it was made from decides between list and object, then
/// what the reference objects have at the same place; otherwise it is left out. Numbers that equal the reference's
/// integer at the same place take its digits.
pub(super) struct Encoder<'a> {
    lists: &'a Table,
    visited: HashSet<*const c_void>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(lists: &'a Table) -> Self {
        Self { lists, visited: HashSet::new() }
    }

    /// The table as JSON; an empty one is an object unless it was a list.
    pub(super) fn top(&mut self, table: &Table, references: &[&Value]) -> Result<Value, EncodeError> {
        Ok(self.table(table, references, 0)?.unwrap_or_else(|| Value::Object(Map::new())))
    }

    fn value(&mut self, value: &LuaValue, references: &[&Value], depth: usize) -> Result<Option<Value>, EncodeError> {
        if depth > MAX_DEPTH {
            return Err(EncodeError::Nested);
        }
        Ok(Some(match value {
            LuaValue::Nil => Value::Null,
            LuaValue::Boolean(flag) => Value::Bool(*flag),
            LuaValue::Integer(whole) => number(*whole as f64, references)?,
            LuaValue::Number(float) => number(*float, references)?,
            LuaValue::String(text) => Value::String(text.to_string_lossy()),
            LuaValue::Table(table) => return self.table(table, references, depth),
            other => return Err(EncodeError::Type(other.type_name().to_owned())),
        }))
    }

    fn table(&mut self, table: &Table, references: &[&Value], depth: usize) -> Result<Option<Value>, EncodeError> {
        if !self.visited.insert(table.to_pointer()) {
            return Err(EncodeError::Nested);
        }
        let mut entries = Vec::new();
        for pair in table.pairs::<LuaValue, LuaValue>() {
            entries.push(pair?);
        }
        match entries.first() {
            None => self.empty(table, references),
            Some((LuaValue::Integer(_) | LuaValue::Number(_), _)) => self.list(entries, references, depth).map(Some),
            Some((LuaValue::String(_), _)) => self.object(entries, references, depth).map(Some),
            Some(_) => Err(EncodeError::Keys),
        }
    }

    fn empty(&self, table: &Table, references: &[&Value]) -> Result<Option<Value>, EncodeError> {
        let known: Option<bool> = self.lists.raw_get(table)?;
        let is_list = known.or_else(|| {
            references.iter().find_map(|reference| match reference {
                Value::Array(_) => Some(true),
                Value::Object(_) => Some(false),
                _ => None,
            })
        });
        Ok(is_list.map(|is_list| if is_list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) }))
    }

    fn list(
        &mut self,
        entries: Vec<(LuaValue, LuaValue)>,
        references: &[&Value],
        depth: usize,
    ) -> Result<Value, EncodeError> {
        let mut ordered = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match key {
                LuaValue::Integer(index) => ordered.push((index as f64, value)),
                LuaValue::Number(index) => ordered.push((index, value)),
                _ => return Err(EncodeError::Keys),
            }
        }
        ordered.sort_by(|left, right| left.0.total_cmp(&right.0));
        let mut items = Vec::with_capacity(ordered.len());
        for (position, (index, value)) in ordered.into_iter().enumerate() {
            #[expect(clippy::float_cmp, reason = "indexes are whole numbers")]
            if index != (position + 1) as f64 {
                return Err(EncodeError::Sparse);
            }
            let inner: Vec<&Value> = references.iter().filter_map(|reference| reference.get(position)).collect();
            items.extend(self.value(&value, &inner, depth + 1)?);
        }
        Ok(Value::Array(items))
    }

    fn object(
        &mut self,
        entries: Vec<(LuaValue, LuaValue)>,
        references: &[&Value],
        depth: usize,
    ) -> Result<Value, EncodeError> {
        let mut map = Map::new();
        for (key, value) in entries {
            let LuaValue::String(key) = key else { return Err(EncodeError::Keys) };
            let key = LuaString::to_string_lossy(&key);
            let inner: Vec<&Value> = references.iter().filter_map(|reference| reference.get(&key)).collect();
            if let Some(value) = self.value(&value, &inner, depth + 1)? {
                map.insert(key, value);
            }
        }
        Ok(Value::Object(map))
    }
}

/// Whole numbers are integers, others floats.
fn number(float: f64, references: &[&Value]) -> Result<Value, EncodeError> {
    if !float.is_finite() {
        return Err(EncodeError::Number(float));
    }
    let exact = references.iter().find(|reference| {
        reference.as_number().is_some_and(|number| !number.is_f64() && number.as_f64() == Some(float))
    });
    if let Some(exact) = exact {
        return Ok((*exact).clone());
    }
    if float.fract() == 0.0 && float.abs() < 9.2e18 {
        return Ok(Value::from(float as i64));
    }
    Number::from_f64(float).map(Value::Number).ok_or(EncodeError::Number(float))
}
