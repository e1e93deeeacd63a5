//! Reads a template into a tree.

use std::iter::Peekable;
use std::vec::IntoIter;

use serde_json::{Number, Value};

pub(super) enum Node {
    Text(String),
    Print(Pipe),
    Set(String, Pipe),
    If(Pipe, Vec<Node>, Vec<Node>),
    With(Pipe, Vec<Node>, Vec<Node>),
    Range(Vec<String>, Pipe, Vec<Node>, Vec<Node>),
}

/// Commands, each fed the one before as its last argument.
pub(super) type Pipe = Vec<Vec<Operand>>;

pub(super) enum Operand {
    /// `.a.b`
    Dot(Vec<String>),
    /// `$x.a`; `$` alone is the root.
    Var(String, Vec<String>),
    Literal(Value),
    Call(String),
    Group(Pipe, Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Field(Vec<String>),
    Var(String, Vec<String>),
    Word(String),
    Literal(Value),
    Open,
    Close(Vec<String>),
    Bar,
    Comma,
    Assign,
}

enum Piece {
    Text(String),
    Action(Vec<Token>),
}

pub(super) fn parse(template: &str) -> Result<Vec<Node>, String> {
    let mut pieces = pieces(template)?.into_iter().peekable();
    let (nodes, end) = block(&mut pieces, false)?;
    match end {
        None => Ok(nodes),
        Some(tokens) => Err(format!("unexpected {{{{{tokens:?}}}}}")),
    }
}

fn pieces(template: &str) -> Result<Vec<Piece>, String> {
    let mut out = Vec::new();
    let mut rest = template;
    let mut trim = false;
    loop {
        let (text, after) = rest
            .split_once("{{")
            .map_or((rest, None), |(t, a)| (t, Some(a)));
        let mut text = if trim { text.trim_start() } else { text };
        let Some(mut after) = after else {
            out.push(Piece::Text(text.to_owned()));
            return Ok(out);
        };
        if let Some(trimmed) = after.strip_prefix("- ") {
            text = text.trim_end();
            after = trimmed;
        }
        out.push(Piece::Text(text.to_owned()));
        let end = action_end(after).ok_or("unclosed action")?;
        let mut body = &after[..end];
        rest = &after[end + 2..];
        trim = body.ends_with(" -");
        if trim {
            body = &body[..body.len() - 2];
        }
        if !(body.starts_with("/*") && body.ends_with("*/")) {
            out.push(Piece::Action(tokens(body)?));
        }
    }
}

/// Where the action ends: the first `}}` outside a string.
fn action_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut quote) = (0, None);
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(b'"'), b'\\') => at += 1,
            (Some(q), b) if b == q => quote = None,
            (None, b @ (b'"' | b'`')) => quote = Some(b),
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn tokens(body: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut chars = body.chars().peekable();
    while let Some(&c) = chars.peek() {
        match c {
            ' ' | '\t' | '\n' | '\r' => {
                chars.next();
            }
            '(' => {
                chars.next();
                out.push(Token::Open);
            }
            ')' => {
                chars.next();
                out.push(Token::Close(fields(&mut chars)));
            }
            '|' => {
                chars.next();
                out.push(Token::Bar);
            }
            ',' => {
                chars.next();
                out.push(Token::Comma);
            }
            ':' | '=' => {
                while chars.next_if(|c| *c == ':' || *c == '=').is_some() {}
                out.push(Token::Assign);
            }
            '.' => {
                let path = fields(&mut chars);
                if path.is_empty() {
                    chars.next();
                }
                out.push(Token::Field(path));
            }
            '$' => {
                chars.next();
                let name = word(&mut chars);
                out.push(Token::Var(name, fields(&mut chars)));
            }
            '"' | '`' => {
                chars.next();
                out.push(Token::Literal(Value::String(string(c, &mut chars)?)));
            }
            '0'..='9' | '-' => {
                let mut digits = String::from(c);
                chars.next();
                while let Some(d) = chars.next_if(char::is_ascii_digit) {
                    digits.push(d);
                }
                let number: i64 = digits
                    .parse()
                    .map_err(|_| format!("bad number syntax: {digits:?}"))?;
                out.push(Token::Literal(Value::Number(Number::from(number))));
            }
            c if c.is_alphabetic() || c == '_' => {
                out.push(match word(&mut chars).as_str() {
                    "true" => Token::Literal(Value::Bool(true)),
                    "false" => Token::Literal(Value::Bool(false)),
                    "nil" => Token::Literal(Value::Null),
                    other => Token::Word(other.to_owned()),
                });
            }
            other => return Err(format!("unexpected {other:?} in operand")),
        }
    }
    Ok(out)
}

type Chars<'a> = Peekable<std::str::Chars<'a>>;

fn word(chars: &mut Chars<'_>) -> String {
    let mut out = String::new();
    while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
        out.push(c);
    }
    out
}

/// `.a.b`, as far as it goes; a lone dot is left where it is.
fn fields(chars: &mut Chars<'_>) -> Vec<String> {
    let mut out = Vec::new();
    loop {
        let mut ahead = chars.clone();
        if ahead.next() != Some('.')
            || !ahead.peek().is_some_and(|c| c.is_alphabetic() || *c == '_')
        {
            return out;
        }
        chars.next();
        out.push(word(chars));
    }
}

fn string(quote: char, chars: &mut Chars<'_>) -> Result<String, String> {
    let mut out = String::new();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Ok(out),
            '\\' if quote == '"' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => break,
            },
            c => out.push(c),
        }
    }
    Err("unterminated quoted string".to_owned())
}

/// Nodes up to `else` or `end` (whose tokens are given back), or up to the end of the text.
fn block(
    pieces: &mut Peekable<IntoIter<Piece>>,
    nested: bool,
) -> Result<(Vec<Node>, Option<Vec<Token>>), String> {
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let tokens = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(tokens) => tokens,
        };
        let keyword = match tokens.first() {
            Some(Token::Word(word)) => word.as_str(),
            _ => "",
        };
        match keyword {
            "end" | "else" if nested => return Ok((nodes, Some(tokens))),
            "end" | "else" => return Err(format!("unexpected {{{{{keyword}}}}}")),
            "if" | "with" | "range" => {
                let (kind, rest) = (keyword.to_owned(), tokens[1..].to_vec());
                nodes.push(control(&kind, rest, pieces)?);
            }
            _ => nodes.push(match tokens.as_slice() {
                [Token::Var(name, path), Token::Assign, rest @ ..] if path.is_empty() => {
                    Node::Set(name.clone(), pipe(rest)?)
                }
                all => Node::Print(pipe(all)?),
            }),
        }
    }
    if nested {
        return Err("unexpected EOF".to_owned());
    }
    Ok((nodes, None))
}

fn control(
    kind: &str,
    tokens: Vec<Token>,
    pieces: &mut Peekable<IntoIter<Piece>>,
) -> Result<Node, String> {
    let (vars, head) = match tokens.iter().position(|t| *t == Token::Assign) {
        Some(at) => {
            let vars = tokens[..at].iter().filter_map(|t| match t {
                Token::Var(name, _) => Some(name.clone()),
                _ => None,
            });
            (vars.collect(), &tokens[at + 1..])
        }
        None => (Vec::new(), tokens.as_slice()),
    };
    let head = pipe(head)?;
    let (body, end) = block(pieces, true)?;
    let otherwise = match end.as_deref() {
        Some([Token::Word(word)]) if word == "else" => {
            let (otherwise, end) = block(pieces, true)?;
            match end.as_deref() {
                Some([Token::Word(word)]) if word == "end" => otherwise,
                _ => return Err("expected end; found {{else}}".to_owned()),
            }
        }
        // `else if x` is `else`, `if x`, with one `end` for both.
        Some([Token::Word(_), Token::Word(inner), rest @ ..]) => {
            vec![control(&inner.clone(), rest.to_vec(), pieces)?]
        }
        _ => Vec::new(),
    };
    Ok(match kind {
        "if" => Node::If(head, body, otherwise),
        "with" => Node::With(head, body, otherwise),
        _ => Node::Range(vars, head, body, otherwise),
    })
}

fn pipe(tokens: &[Token]) -> Result<Pipe, String> {
    let mut tokens = tokens.iter().cloned();
    let (pipe, closed) = commands(&mut tokens)?;
    match closed {
        None if pipe.iter().all(|c| !c.is_empty()) => Ok(pipe),
        None => Err("missing value for command".to_owned()),
        Some(_) => Err("unexpected right paren".to_owned()),
    }
}

fn commands(
    tokens: &mut impl Iterator<Item = Token>,
) -> Result<(Pipe, Option<Vec<String>>), String> {
    let mut pipe: Pipe = vec![Vec::new()];
    while let Some(token) = tokens.next() {
        let operand = match token {
            Token::Bar => {
                pipe.push(Vec::new());
                continue;
            }
            Token::Open => match commands(tokens)? {
                (inner, Some(path)) => Operand::Group(inner, path),
                (_, None) => return Err("unclosed left paren".to_owned()),
            },
            Token::Close(path) => return Ok((pipe, Some(path))),
            Token::Field(path) => Operand::Dot(path),
            Token::Var(name, path) => Operand::Var(name, path),
            Token::Literal(value) => Operand::Literal(value),
            Token::Word(word) => Operand::Call(word),
            Token::Comma | Token::Assign => return Err("unexpected token in operand".to_owned()),
        };
        pipe.last_mut().expect("never empty").push(operand);
    }
    Ok((pipe, None))
}
