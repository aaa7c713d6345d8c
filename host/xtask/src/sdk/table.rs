//! What WIT cannot say: names and defaults of PyTorch, operators, and the forms of a function where a language has no optional
//! arguments. A function that has no row is called as in WIT, in the language's case, and takes the same parameters.

/// A signature that does not follow from WIT. Parameters stand in WIT's order; `*` before one collects the rest of Python's
/// arguments; what follows `=` is the language's own text. An empty signature follows from WIT.
pub struct Signature {
    pub function: &'static str,
    pub python: &'static str,
    pub javascript: &'static str,
}

const fn row(function: &'static str, python: &'static str, javascript: &'static str) -> Signature {
    Signature { function, python, javascript }
}

pub const SIGNATURES: &[Signature] = &[
    row("to-kind", "to(dtype)", "to(kind)"),
    row("reshape", "reshape(*shape)", ""),
    row("permute", "permute(*dims)", "permute(dims)"),
    row("transpose", "transpose(dim0, dim1)", ""),
    row("expand", "expand(*sizes)", ""),
    row("flatten", "flatten(start_dim=0, end_dim=-1)", "flatten(first = 0, last = -1)"),
    row("clamp", "clamp(min=None, max=None)", "clamp(min = undefined, max = undefined)"),
    row("max", "amax(dim=None, keepdim=False)", ""),
    row("min", "amin(dim=None, keepdim=False)", ""),
    row("norm", "norm(p=2.0, dim=None, keepdim=False)", "norm(p = 2, dim = undefined, keepdim = false)"),
    row("zeros", "zeros(*size, dtype=kinds.float32)", ""),
    row("ones", "ones(*size, dtype=kinds.float32)", ""),
    row("full", "full(size, fill_value, dtype)", "full(shape, value, kind = kindOf(value))"),
    row("arange", "arange(start, end, step, dtype)", "arange(start, end, step, kind)"),
    row(
        "cross-entropy",
        "cross_entropy(input, target, ignore_index=-100, reduction=\"mean\")",
        "crossEntropy(logits, labels, ignoreIndex = -100, reduction = \"mean\")",
    ),
    row("mean-squared-error", "mse_loss(input, target, reduction=\"mean\")", ""),
    row(
        "kl-divergence",
        "kl_div(input, target, log_target=False, reduction=\"mean\")",
        "klDivergence(input, target, logTarget = false, reduction = \"mean\")",
    ),
    row("binary-cross-entropy-with-logits", "binary_cross_entropy_with_logits(input, target, reduction=\"mean\")", ""),
    row("cosine-similarity", "cosine_similarity(x1, x2, dim=1)", "cosineSimilarity(left, right, dim = 1)"),
];

/// Functions that Python or JavaScript refine by hand, as they are called there; empty where the language does not.
pub const REFINED: &[Signature] = &[
    row("argmax", "argmax(dim=None, keepdim=False)", "argmax(dim = undefined, keepdim = false)"),
    row("full", "full(size, fill_value, dtype=None)", ""),
    row(
        "arange",
        "arange(start, end=None, step=1, dtype=None)",
        "arange(start, end = undefined, step = 1, kind = undefined)",
    ),
    row("kl-divergence", "kl_div(input, target, reduction=\"mean\", log_target=False)", ""),
];

/// Functions of the surface that give no tensor. They are written by hand.
pub const BY_HAND: &[&str] = &["shape", "kind"];

/// Parameters that are the same in every function, unless its row says otherwise: in WIT, in Python, in JavaScript.
pub const PARAMETERS: &[(&str, &str, &str)] = &[
    ("dims", "dim=None", "dim = undefined"),
    ("keep-dims", "keepdim=False", "keepdim = false"),
    ("keep-dim", "keepdim=False", "keepdim = false"),
    ("kind", "dtype=kinds.float32", "kind = \"float32\""),
    ("reduction", "reduction=\"mean\"", "reduction = \"mean\""),
];

/// Python's operators. Those of a number and a tensor, and those of truth values, are written by hand.
pub const OPERATORS: &[(&str, &str)] = &[
    ("add", "__add__"),
    ("sub", "__sub__"),
    ("mul", "__mul__"),
    ("div", "__truediv__"),
    ("eq", "__eq__"),
    ("ne", "__ne__"),
    ("lt", "__lt__"),
    ("le", "__le__"),
    ("gt", "__gt__"),
    ("ge", "__ge__"),
    ("matmul", "__matmul__"),
    ("neg", "__neg__"),
    ("abs", "__abs__"),
];

/// A form of a function in Rust or in C: its name there, the arguments that it fixes, and what it does, in WIT's names; empty
/// where it does what the function does.
pub struct Form {
    pub function: &'static str,
    pub name: &'static str,
    pub fixed: Fixed,
    pub description: &'static str,
}

/// Parameters with the arguments that they are given.
pub type Fixed = &'static [(&'static str, &'static str)];

const fn form(function: &'static str, name: &'static str, fixed: Fixed, description: &'static str) -> Form {
    Form { function, name, fixed, description }
}

const BETWEEN: &str = "Each element, but at least `min` and at most `max`.";
const AT_LEAST: &str = "Each element, but at least `min`.";
const AT_MOST: &str = "Each element, but at most `max`.";

/// Functions that Rust has in several forms, or under a name that is no keyword.
pub const RUST_FORMS: &[Form] = &[
    form("where", "where_", &[], ""),
    form("clamp", "clamp", &[], BETWEEN),
    form("clamp", "clamp_min", &[("max", "None")], AT_LEAST),
    form("clamp", "clamp_max", &[("min", "None")], AT_MOST),
    form(
        "cross-entropy",
        "cross_entropy",
        &[("ignore-index", "IGNORED")],
        "The cross-entropy of logits `[…, classes]` and labels `[…]`: integers in 0..classes, or [`IGNORED`] for positions \
         that do not count. `none` gives `[…]`; a mean over no position at all is NaN.",
    ),
    form("cross-entropy", "cross_entropy_ignoring", &[], ""),
    form(
        "kl-divergence",
        "kl_divergence",
        &[("log-target", "false")],
        "`target * (log(target) - input)`: `input` holds log-probabilities, `target` of the same shape probabilities. \
         `mean` divides by the number of elements; for the mean over a batch divide the sum by its size.",
    ),
    form(
        "kl-divergence",
        "kl_divergence_of_logs",
        &[("log-target", "true")],
        "`exp(target) * (target - input)`: both hold log-probabilities and have one shape. `mean` divides by the number \
         of elements; for the mean over a batch divide the sum by its size.",
    ),
];

/// Functions that C has in several forms.
pub const C_FORMS: &[Form] = &[
    form("clamp", "tensor_clamp", &[], BETWEEN),
    form("clamp", "tensor_clamp_min", &[("max", "NULL")], AT_LEAST),
    form("clamp", "tensor_clamp_max", &[("min", "NULL")], AT_MOST),
];
