//! Splits the text of a command into its arguments, without a shell.

/// The arguments: separated by white space; single and double quotes hold an argument together.
///
/// What only a shell could do is refused instead of passed on as text, since the program would see `|` as an argument.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut arguments = Vec::new();
    let mut current: Option<String> = None;
    let mut quote: Option<char> = None;
    for char in text.chars() {
        match (quote, char) {
            (Some(open), char) if char == open => quote = None,
            (Some(_), char) => current.get_or_insert_default().push(char),
            (None, '\'' | '"') => {
                quote = Some(char);
                current.get_or_insert_default();
            }
            (None, '|' | '&' | ';' | '<' | '>' | '$' | '`' | '\\' | '(' | ')' | '*' | '?' | '~' | '\0') => {
                return Err(format!(
                    "`{}` needs a shell, and no shell is used; give the arguments as an array, for example \
                     [\"sh\", \"-c\", \"…\"]",
                    char.escape_default()
                ));
            }
            (None, char) if char.is_whitespace() => arguments.extend(current.take()),
            (None, char) => current.get_or_insert_default().push(char),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    arguments.extend(current);
    if arguments.first().is_none_or(String::is_empty) {
        return Err("a command needs at least the program's name".to_owned());
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn arguments_are_split_without_a_shell() {
        assert_eq!(split("npm test").unwrap(), ["npm", "test"]);
        assert_eq!(split(" git  diff --quiet 'a b'\"c\" '' ").unwrap(), ["git", "diff", "--quiet", "a bc", ""]);
        for refused in ["", "  ", "''", "a | b", "a && b", "rm $HOME", "a; b", "'open", "`x`"] {
            assert!(split(refused).is_err(), "{refused}");
        }
    }
}
