//! Templates that quote values which are quoted already. `"{{ x }}"` in a shell script would open
//! what the value's own quotes close, and a here-document knows no quotes at all.

use super::error::Fault;
use super::syntax::Syntax;

/// The first value between quotes, or the first here-document, with its line. Only for syntaxes in
/// which values bring their own quotes.
pub(super) fn quoted_value(template: &str, syntax: Syntax) -> Option<(usize, Fault)> {
    let here_documents = match syntax {
        Syntax::Sh => true,
        Syntax::Yaml => false,
        _ => return None,
    };
    let mut quote = None;
    let mut line = 1;
    let mut before = '\n';
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        if let Some(end) = ["{{", "{%", "{#"]
            .iter()
            .zip(["}}", "%}", "#}"])
            .find_map(|(start, end)| rest.starts_with(start).then_some(end))
        {
            if quote.is_some() && rest.starts_with("{{") {
                return Some((line, Fault::Syntax("a value stands between quotes".into())));
            }
            let length = rest.find(end).map_or(rest.len(), |at| at + end.len());
            line += rest[..length].matches('\n').count();
            rest = &rest[length..];
            before = 'x';
            continue;
        }
        let mut length = c.len_utf8();
        match (quote, c) {
            (None, '#') if before.is_whitespace() => {
                length = comment_length(rest);
            }
            (None, '<') if here_documents && rest.starts_with("<<") => {
                return Some((
                    line,
                    Fault::Syntax("a here-document quotes no values".into()),
                ));
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            // The next character is no quote; in single quotes it is.
            (None | Some('"'), '\\') => {
                length += rest[1..].chars().next().map_or(0, char::len_utf8);
            }
            _ => {}
        }
        line += rest[..length].matches('\n').count();
        before = c;
        rest = &rest[length..];
    }
    None
}

/// A comment ends before its line does. Values in it are harmless: none holds a line break.
fn comment_length(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(template: &str) -> Option<usize> {
        quoted_value(template, Syntax::Sh).map(|(line, _)| line)
    }

    #[test]
    fn values_between_quotes_are_found() {
        assert_eq!(found("a={{ x }}\nb=\"{{ y }}\"\n"), Some(2));
        assert_eq!(found("echo 'a\n{{ y }}'\n"), Some(2));
        assert_eq!(found("cat <<END\n{{ y }}\nEND\n"), Some(1));
        assert_eq!(found(r#"a="\"{{ y }}""#), Some(1));
    }

    #[test]
    fn quotes_elsewhere_are_not() {
        assert_eq!(found("# it's {{ x }}\na={{ x }}\n"), None);
        assert_eq!(found("a=\"$b\"{{ x }}'c'\n"), None);
        assert_eq!(found("{% if x == \"y\" %}{{ x }}{% endif %}\n"), None);
        assert_eq!(found(r#"a=\"{{ x }}"#), None);
        assert_eq!(found("gid=${entry#*:}\nb=\"$gid\"\nc={{ x }}\n"), None);
        assert_eq!(quoted_value("a \"{{ x }}\"", Syntax::Nft), None);
    }
}
