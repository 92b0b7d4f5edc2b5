//! Texts of limited length, and as numbers in a row: how many bytes, then the bytes, eight in each number.

/// The beginning of it, at most so many bytes, to a character's end.
pub(crate) fn cut(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// In so many words, the first of which says how long it is. It must fit.
pub(crate) fn words(text: &str, count: usize) -> impl Iterator<Item = u64> {
    let mut words = vec![0; count];
    words[0] = text.len() as u64;
    for (word, bytes) in words[1..].iter_mut().zip(text.as_bytes().chunks(8)) {
        let mut eight = [0; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_le_bytes(eight);
    }
    words.into_iter()
}

/// The other way round.
pub(crate) fn of_words(words: &[u64]) -> String {
    let Some((&length, words)) = words.split_first() else { return String::new() };
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).take(length as usize).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_text_again() {
        for text in ["", "a", "hotels.views.search", "süche"] {
            let words: Vec<u64> = words(text, 4).collect();
            assert_eq!((words.len(), of_words(&words)), (4, text.to_owned()));
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((cut("süche", 2), cut("süche", 3), cut("", 3)), ("s", "sü", ""));
    }
}
