//! One Lua machine: a sandbox with limits, for one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mlua::{Error, Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value as LuaValue, VmState};
use serde_json::Value;

use super::convert::{self, EncodeError, Encoder, LISTS};
use super::kube;

/// How many instructions a call may take: several times what the largest sensible script needs, and well below a second.
const INSTRUCTIONS: u64 = 20_000_000;
/// How often the count is looked at.
const INSTRUCTIONS_PER_CHECK: u32 = 10_000;
/// How much memory a machine may take.
const MEMORY: usize = 64 << 20;

/// What a script has no business with: these exist, and refuse.
const REFUSED: [&str; 14] = [
    "collectgarbage",
    "dofile",
    "getfenv",
    "getmetatable",
    "load",
    "loadfile",
    "loadstring",
    "module",
    "newproxy",
    "rawequal",
    "rawget",
    "rawset",
    "setfenv",
    "setmetatable",
];

/// Functions of the string library that can take any time or memory.
const REFUSED_STRING: [&str; 3] = ["dump", "gsub", "rep"];

/// What of the operating system a script may ask: the time.
const ALLOWED_OS: [&str; 4] = ["clock", "date", "difftime", "time"];

pub(super) struct Machine {
    lua: Lua,
    lists: Table,
}

/// The text of an error as scripts' authors know it: where, and what.
fn describe(error: &Error) -> String {
    match error {
        Error::CallbackError { cause, traceback } => {
            // The first line of the script in the trace says where the library was called.
            let place = traceback
                .lines()
                .filter_map(|line| line.trim().strip_prefix("<string>:"))
                .find_map(|rest| rest.split(':').next())
                .unwrap_or("?");
            match cause.as_ref() {
                Error::RuntimeError(message) if message.starts_with("cannot parse") => message.clone(),
                Error::RuntimeError(message) => format!("<string>:{place}: {message}"),
                other => describe(other),
            }
        }
        Error::RuntimeError(message) | Error::SyntaxError { message, .. } | Error::MemoryError(message) => {
            message.split("\nstack traceback:").next().unwrap_or_default().to_owned()
        }
        other => other.to_string(),
    }
}

impl Machine {
    pub(super) fn new() -> Result<Self, String> {
        Self::build().map_err(|error| describe(&error))
    }

    fn build() -> mlua::Result<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        lua.set_memory_limit(MEMORY)?;
        let lists = lua.create_table()?;
        let weak = lua.create_table()?;
        weak.raw_set("__mode", "k")?;
        lists.set_metatable(Some(weak))?;
        lua.set_named_registry_value(LISTS, &lists)?;
        let machine = Self { lua, lists };
        machine.confine()?;
        Ok(machine)
    }

    /// Takes away what could reach outside, and puts refusals in its place.
    fn confine(&self) -> mlua::Result<()> {
        let Self { lua, lists } = self;
        let globals = lua.globals();
        for name in REFUSED {
            let refuse = move |_: &Lua, _: MultiValue| -> mlua::Result<()> {
                Err(Error::runtime(format!(
                    "call function {name} is not supported in karmada customized resourceinterpreter."
                )))
            };
            globals.raw_set(name, lua.create_function(refuse)?)?;
        }
        let strings: Table = globals.raw_get("string")?;
        for name in REFUSED_STRING {
            let refuse = move |_: &Lua, _: MultiValue| -> mlua::Result<()> {
                Err(Error::runtime(format!(
                    "The Lua function string.{name} is not supported by Karmada. If you believe this function is essential for your use case, please submit an issue to let us know why you need it."
                )))
            };
            strings.raw_set(name, lua.create_function(refuse)?)?;
        }
        let os: Table = globals.raw_get("os")?;
        let allowed = lua.create_table()?;
        for name in ALLOWED_OS {
            allowed.raw_set(name, os.raw_get::<LuaValue>(name)?)?;
        }
        globals.raw_set("os", allowed)?;
        globals.raw_set("print", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
        for name in ["coroutine", "debug", "io", "gcinfo", "channel"] {
            globals.raw_set(name, LuaValue::Nil)?;
        }
        self.add_require(&globals, lists)?;
        self.add_tostring(&globals)?;
        // Names that scripts may look for, of the machine that upstream uses.
        strings.raw_set("__index", &strings)?;
        globals.raw_set("_GOPHER_LUA_VERSION", "GopherLua 0.1")?;
        globals.raw_set("_printregs", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
        Ok(())
    }

    fn add_require(&self, globals: &Table, lists: &Table) -> mlua::Result<()> {
        let lua = &self.lua;
        let package = lua.create_table()?;
        for name in ["loaded", "loaders", "preload"] {
            package.raw_set(name, lua.create_table()?)?;
        }
        package.raw_set("loadlib", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
        globals.raw_set("package", package)?;
        let library = kube::library(lua, lists)?;
        let require = lua.create_function(move |_, name: String| {
            if name == "kube" {
                Ok(library.clone())
            } else {
                Err(Error::runtime(format!("module {name} not found:\n\tno field package.preload['{name}'], ")))
            }
        })?;
        globals.raw_set("require", require)
    }

    /// Whole numbers print without an exponent.
    fn add_tostring(&self, globals: &Table) -> mlua::Result<()> {
        let plain: Function = globals.raw_get("tostring")?;
        let tostring = self.lua.create_function(move |lua, value: LuaValue| match value {
            LuaValue::Integer(whole) => lua.create_string(whole.to_string()).map(LuaValue::String),
            LuaValue::Number(number) if number.fract() == 0.0 && number.abs() < 1e18 => {
                lua.create_string((number as i64).to_string()).map(LuaValue::String)
            }
            other => plain.call(other),
        })?;
        globals.raw_set("tostring", tostring)
    }

    /// Compiles a script without running it.
    pub(super) fn compile(&self, script: &str) -> Result<(), String> {
        self.load(script).map(drop).map_err(|error| describe(&error))
    }

    fn load(&self, script: &str) -> mlua::Result<Function> {
        self.lua.load(script).set_name("=<string>").set_mode(mlua::chunk::ChunkMode::Text).into_function()
    }

    /// Counts instructions; once the limit is reached, every further one fails, so that a script cannot catch its way
    /// out.
    fn limit(&self) -> mlua::Result<()> {
        let used = Arc::new(AtomicU64::new(0));
        let exceeded = || Error::runtime("context deadline exceeded");
        let triggers = HookTriggers::new().every_nth_instruction(INSTRUCTIONS_PER_CHECK);
        self.lua.set_hook(triggers, move |lua, _| {
            let used = used.fetch_add(u64::from(INSTRUCTIONS_PER_CHECK), Ordering::Relaxed);
            if used >= INSTRUCTIONS {
                lua.set_hook(HookTriggers::new().every_nth_instruction(1), move |_, _| Err(exceeded()))?;
                return Err(exceeded());
            }
            Ok(VmState::Continue)
        })
    }

    /// Runs a script and calls the function that it defines.
    pub(super) fn call(&self, script: &str, function: &str, arguments: MultiValue) -> Result<MultiValue, String> {
        let run = || -> mlua::Result<Result<MultiValue, String>> {
            let chunk = self.load(script)?;
            self.limit()?;
            chunk.call::<()>(())?;
            match self.lua.globals().raw_get(function)? {
                LuaValue::Function(function) => function.call(arguments).map(Ok),
                _ => Ok(Err(format!("not found function {function}"))),
            }
        };
        run().map_err(|error| describe(&error))?
    }

    pub(super) fn to_lua(&self, value: &Value) -> mlua::Result<LuaValue> {
        convert::to_lua(&self.lua, &self.lists, value)
    }

    pub(super) fn to_json(&self, table: &Table, references: &[&Value]) -> Result<Value, EncodeError> {
        Encoder::new(&self.lists).top(table, references)
    }

    /// A table that should be a list; an empty one is.
    pub(super) fn to_json_list(&self, table: &Table, references: &[&Value]) -> Result<Value, EncodeError> {
        let json = self.to_json(table, references)?;
        let is_empty = json.as_object().is_some_and(serde_json::Map::is_empty);
        Ok(if is_empty { Value::Array(Vec::new()) } else { json })
    }
}
