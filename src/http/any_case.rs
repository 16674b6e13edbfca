//! Paths that clients write in any letter case.

use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// Rewrites a path that differs from one of `known` only in letter case, so that routes need
/// one spelling only. One that ends in `/` stands for everything below it, which is kept as it
/// is. The query stays.
pub(super) fn fold(uri: &Uri, known: &[&'static str]) -> Option<Uri> {
    let path = uri.path();
    let folded = known.iter().find_map(|&known| {
        let (start, rest) = path.split_at_checked(known.len())?;
        let fits = start.eq_ignore_ascii_case(known) && (rest.is_empty() || known.ends_with('/'));
        (fits && start != known).then(|| format!("{known}{rest}"))
    })?;
    let path_and_query = match uri.query() {
        Some(query) => format!("{folded}?{query}"),
        None => folded,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_letter_case_of_known_paths_changes() {
        let known = ["/autodiscover/autodiscover.xml", "/autodiscover/autodiscover.json/v1.0/"];
        for (path, wanted) in [
            ("/Autodiscover/AutoDiscover.XML", Some("/autodiscover/autodiscover.xml")),
            (
                "/AUTODISCOVER/autodiscover.xml?A=B%20C",
                Some("/autodiscover/autodiscover.xml?A=B%20C"),
            ),
            (
                "/autodiscover/Autodiscover.json/V1.0/Anna%40Office.example",
                Some("/autodiscover/autodiscover.json/v1.0/Anna%40Office.example"),
            ),
            ("/autodiscover/autodiscover.xml", None),
            ("/Autodiscover/autodiscover.xml/more", None),
            ("/Autodiscover", None),
            ("/ä", None),
        ] {
            let Ok(uri) = path.parse::<Uri>() else { continue };
            let folded = fold(&uri, &known).map(|uri| uri.to_string());
            assert_eq!(folded.as_deref(), wanted, "{path}");
        }
        let whole: Uri = "http://h.example/Autodiscover/Autodiscover.xml".parse().unwrap();
        let folded = fold(&whole, &known).unwrap().to_string();
        assert_eq!(folded, "http://h.example/autodiscover/autodiscover.xml");
    }
}
