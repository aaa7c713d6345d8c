//! A reader of the pickles in which `torch.save` describes tensors. A pickle is a program that may call anything in Python;
//! here nothing is called: what is not a dictionary of tensors, and numbers and texts about them, is refused by name.

use std::collections::HashMap;
use std::rc::Rc;

/// How deep values may lie in each other; those of a checkpoint lie three deep.
const MAX_DEPTH: u32 = 16;

/// The most instructions of one pickle. An instruction makes one value at most, and nothing copies a value that holds
/// others, so this bounds memory and time.
const MAX_INSTRUCTIONS: usize = 10_000_000;

/// The most bytes of a text. The longest ones of a checkpoint are names of parameters.
const MAX_TEXT: usize = 4096;
/// The most dimensions of a tensor. Weights have five at most.
const MAX_DIMENSIONS: usize = 8;

/// What a pickle makes. A clone shares what lies in it.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool,
    Int(i64),
    Text(Rc<str>),
    /// A class or a function, by its module and its name.
    Global(Rc<str>),
    /// A tuple or a list.
    Sequence(Rc<Nested<Value>>),
    Dictionary(Rc<Nested<(Value, Value)>>),
    Storage(Rc<Storage>),
    Tensor(Rc<StridedTensor>),
}

/// Values in a value, and how deep they lie.
#[derive(Debug)]
pub(super) struct Nested<T> {
    pub items: Vec<T>,
    depth: u32,
}

/// A row of numbers that lies elsewhere in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// `torch.FloatStorage` and the like.
    pub class: Rc<str>,
    pub key: Rc<str>,
    pub num_elements: usize,
}

/// A view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StridedTensor {
    pub storage: Rc<Storage>,
    /// Counted in elements.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl Value {
    fn depth(&self) -> u32 {
        match self {
            Value::Sequence(nested) => nested.depth,
            Value::Dictionary(nested) => nested.depth,
            _ => 0,
        }
    }

    fn sequence(items: Vec<Value>) -> Result<Self, String> {
        let depth = 1 + items.iter().map(Value::depth).max().unwrap_or(0);
        check_depth(depth)?;
        Ok(Value::Sequence(Rc::new(Nested { items, depth })))
    }

    fn dictionary() -> Self {
        Value::Dictionary(Rc::new(Nested { items: vec![], depth: 1 }))
    }

    pub fn as_sequence(&self) -> Option<&[Value]> {
        match self {
            Value::Sequence(nested) => Some(&nested.items),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&Rc<str>> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn as_size(&self) -> Option<usize> {
        match self {
            Value::Int(int) => usize::try_from(*int).ok(),
            _ => None,
        }
    }

    fn as_sizes(&self) -> Option<Vec<usize>> {
        let sizes = self.as_sequence().filter(|sizes| sizes.len() <= MAX_DIMENSIONS)?;
        sizes.iter().map(Value::as_size).collect()
    }

    /// Whether it is an empty list or dictionary, which may be filled later, or an empty tuple.
    fn is_empty(&self) -> bool {
        matches!(self, Value::Sequence(nested) if nested.items.is_empty())
            || matches!(self, Value::Dictionary(nested) if nested.items.is_empty())
    }
}

fn check_depth(depth: u32) -> Result<(), String> {
    if depth > MAX_DEPTH { Err(format!("its values lie more than {MAX_DEPTH} deep in each other")) } else { Ok(()) }
}

/// Reads the pickle at the start of `bytes`. Returns what it makes and how long it is.
pub(super) fn read(bytes: &[u8]) -> Result<(Value, usize), String> {
    let mut reader = Reader { bytes, at: 0, stack: vec![], marks: vec![], memo: HashMap::new() };
    for _ in 0..MAX_INSTRUCTIONS {
        if let Some(value) = reader.step()? {
            return Ok((value, reader.at));
        }
    }
    Err(format!("it has more than {MAX_INSTRUCTIONS} instructions"))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Where on the stack the items of a sequence begin that is not complete yet.
    marks: Vec<usize>,
    /// What may be recalled; `None` for what was empty then. Python remembers lists and dictionaries before it fills them:
    /// that would miss what comes later, and no checkpoint recalls one.
    memo: HashMap<u32, Option<Value>>,
}

impl<'a> Reader<'a> {
    /// Carries out the next instruction, by the names that Python's `pickle` gives them. Returns the value at the last one.
    fn step(&mut self) -> Result<Option<Value>, String> {
        let code = self.array::<1>()?[0];
        match code {
            // PROTO, FRAME
            0x80 => drop(self.array::<1>()?),
            0x95 => drop(self.array::<8>()?),
            // MARK
            b'(' => self.marks.push(self.stack.len()),
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.stack.push(Value::None),
            0x88 | 0x89 => self.stack.push(Value::Bool),
            // BININT1, BININT2, BININT, LONG1
            b'K' => {
                let [byte] = self.array::<1>()?;
                self.stack.push(Value::Int(i64::from(byte)));
            }
            b'M' => {
                let int = u16::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(i64::from(int)));
            }
            b'J' => {
                let int = i32::from_le_bytes(self.array()?);
                self.stack.push(Value::Int(i64::from(int)));
            }
            0x8a => {
                let [length] = self.array::<1>()?;
                let bytes = self.take(usize::from(length))?;
                self.stack.push(Value::Int(little_endian(bytes)));
            }
            // BINUNICODE, SHORT_BINUNICODE
            b'X' | 0x8c => {
                let length =
                    if code == 0x8c { self.array::<1>()?[0].into() } else { u32::from_le_bytes(self.array()?) };
                let text = self.text(length as usize)?;
                self.stack.push(Value::Text(text));
            }
            // EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT
            b')' | b']' => self.stack.push(Value::sequence(vec![])?),
            b'}' => self.stack.push(Value::dictionary()),
            // TUPLE, TUPLE1, TUPLE2, TUPLE3
            b't' => {
                let items = self.since_mark()?;
                self.stack.push(Value::sequence(items)?);
            }
            0x85..=0x87 => {
                let items = self.last(usize::from(code - 0x84))?;
                self.stack.push(Value::sequence(items)?);
            }
            // APPEND, APPENDS, SETITEM, SETITEMS
            b'a' | b'e' => {
                let items = if code == b'a' { self.last(1)? } else { self.since_mark()? };
                self.extend(items)?;
            }
            b's' | b'u' => {
                let items = if code == b's' { self.last(2)? } else { self.since_mark()? };
                self.set(items)?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => {
                let [index] = self.array::<1>()?;
                self.remember(u32::from(index))?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.array()?);
                self.remember(index)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let [index] = self.array::<1>()?;
                self.recall(u32::from(index))?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.array()?);
                self.recall(index)?;
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(&module, &name)?;
            }
            0x93 => match &self.last(2)?[..] {
                [Value::Text(module), Value::Text(name)] => self.global(module, name)?,
                _ => return Err("it names a class by something else than texts".into()),
            },
            // REDUCE
            b'R' => match &self.last(2)?[..] {
                [Value::Global(function), arguments] => {
                    let value = call(function, arguments.as_sequence().unwrap_or_default())?;
                    self.stack.push(value);
                }
                _ => return Err("it calls something that is no function".into()),
            },
            // BUILD: the state of an ordered dictionary, which says how it was made.
            b'b' => match &self.last(2)?[..] {
                [dictionary @ Value::Dictionary(_), _] => self.stack.push(dictionary.clone()),
                _ => return Err("it sets the state of something that is no dictionary".into()),
            },
            // BINPERSID
            b'Q' => {
                let storage = storage(&self.pop()?)?;
                self.stack.push(Value::Storage(Rc::new(storage)));
            }
            // STOP
            b'.' => return Ok(Some(self.pop()?)),
            other => {
                return Err(format!(
                    "its byte {} is the instruction 0x{other:02x}, which no checkpoint needs",
                    self.at
                ));
            }
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| "it is cut short".to_owned())?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "it is cut short".to_owned())
    }

    fn text(&mut self, length: usize) -> Result<Rc<str>, String> {
        if length > MAX_TEXT {
            return Err(format!("a text in it has {length} bytes; expected at most {MAX_TEXT}"));
        }
        Ok(std::str::from_utf8(self.take(length)?).map_err(|_| "a text in it is not UTF-8".to_owned())?.into())
    }

    fn line(&mut self) -> Result<Rc<str>, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| "it is cut short".to_owned())?;
        let line = self.text(length)?;
        self.at += 1;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack.pop().ok_or_else(|| "it takes a value that it did not make".to_owned())
    }

    /// The last values on the stack.
    fn last(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let from = self.stack.len().checked_sub(count);
        Ok(self.stack.split_off(from.ok_or_else(|| "it takes a value that it did not make".to_owned())?))
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or_else(|| "it ends a sequence that it did not begin".to_owned())?))
    }

    /// Appends to the list on top of the stack.
    fn extend(&mut self, items: Vec<Value>) -> Result<(), String> {
        let Some(Value::Sequence(list)) = self.stack.last_mut() else {
            return Err("it appends to something that is no list".into());
        };
        fillable(list, &items)?.items.extend(items);
        Ok(())
    }

    /// Sets keys and values in turn in the dictionary on top of the stack.
    fn set(&mut self, items: Vec<Value>) -> Result<(), String> {
        let Some(Value::Dictionary(dictionary)) = self.stack.last_mut() else {
            return Err("it sets a key of something that is no dictionary".into());
        };
        let dictionary = fillable(dictionary, &items)?;
        let mut items = items.into_iter();
        while let Some(key) = items.next() {
            let value = items.next().ok_or_else(|| "it sets a key without a value".to_owned())?;
            dictionary.items.push((key, value));
        }
        Ok(())
    }

    fn remember(&mut self, index: u32) -> Result<(), String> {
        let value = self.stack.last().ok_or_else(|| "it remembers a value that it did not make".to_owned())?;
        self.memo.insert(index, Some(value).filter(|value| !value.is_empty()).cloned());
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), String> {
        let value = self.memo.get(&index).cloned().flatten();
        self.stack.push(value.ok_or_else(|| "it recalls a value that it did not remember whole".to_owned())?);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        let is_known = match module {
            "collections" => name == "OrderedDict",
            "torch._utils" => ["_rebuild_tensor_v2", "_rebuild_parameter"].contains(&name),
            "torch" => name.ends_with("Storage"),
            _ => false,
        };
        let name = format!("{module}.{name}");
        if !is_known {
            return Err(format!("it asks for `{name}`, and only tensors are read"));
        }
        self.stack.push(Value::Global(name.into()));
        Ok(())
    }
}

/// A list or a dictionary, as deep as `items` will make it. Python fills one where it makes it: nothing else may hold it.
fn fillable<'n, T>(nested: &'n mut Rc<Nested<T>>, items: &[Value]) -> Result<&'n mut Nested<T>, String> {
    let depth = 1 + items.iter().map(Value::depth).max().unwrap_or(0);
    check_depth(depth)?;
    let nested = Rc::get_mut(nested).ok_or_else(|| "it adds to what it has put elsewhere before".to_owned())?;
    nested.depth = nested.depth.max(depth);
    Ok(nested)
}

/// What a function that checkpoints name makes of its arguments.
fn call(function: &str, arguments: &[Value]) -> Result<Value, String> {
    match (function, arguments) {
        ("collections.OrderedDict", []) => Ok(Value::dictionary()),
        ("torch._utils._rebuild_parameter", [tensor @ Value::Tensor(_), ..]) => Ok(tensor.clone()),
        ("torch._utils._rebuild_tensor_v2", [Value::Storage(storage), offset, shape, strides, ..]) => {
            let tensor = || {
                let (shape, strides) = (shape.as_sizes()?, strides.as_sizes()?);
                let storage = Rc::clone(storage);
                let is_whole = shape.len() == strides.len();
                is_whole.then_some(StridedTensor { storage, offset: offset.as_size()?, shape, strides })
            };
            Ok(Value::Tensor(Rc::new(
                tensor().ok_or_else(|| "a tensor in it has sizes that no weights have".to_owned())?,
            )))
        }
        _ => Err(format!("it calls `{function}` with other arguments than checkpoints do")),
    }
}

/// The storage that an identifier names: `("storage", class, key, place, number of elements)`, and, where a storage is a part
/// of another, which part.
fn storage(identifier: &Value) -> Result<Storage, String> {
    let parts = identifier.as_sequence().unwrap_or_default();
    let ([Value::Text(kind), Value::Global(class), Value::Text(key), _, count]
    | [Value::Text(kind), Value::Global(class), Value::Text(key), _, count, Value::None]) = parts
    else {
        return Err("it names something outside that is no whole storage".into());
    };
    let is_storage = &**kind == "storage" && class.starts_with("torch.") && class.ends_with("Storage");
    match count.as_size().filter(|_| is_storage) {
        Some(num_elements) => Ok(Storage { class: Rc::clone(class), key: Rc::clone(key), num_elements }),
        None => Err("it names something outside that is no storage".into()),
    }
}

/// A signed number of up to eight bytes; longer ones, which only a magic number has, are cut.
fn little_endian(bytes: &[u8]) -> i64 {
    let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = [if is_negative { 0xff } else { 0 }; 8];
    let length = bytes.len().min(8);
    whole[..length].copy_from_slice(&bytes[..length]);
    i64::from_le_bytes(whole)
}
