//! An XML reply that ends in its middle is no reply.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The SDK's XML parser takes the end of the text for the end of the document (aws-smithy-xml, `ScopedDecoder::next_tag`): of a reply
/// that a proxy cut, it gives what was in the first part as if that were all. A list is short then, and an instance is not there.
/// The parser of JSON refuses such a text by itself.
#[derive(Debug)]
pub(super) struct WholeReply;

#[dyn_dispatch_hint]
impl Intercept for WholeReply {
    fn name(&self) -> &'static str {
        "an XML reply is whole"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        match is_whole(&String::from_utf8_lossy(body)) {
            true => Ok(()),
            false => Err("the answer is cut off".into()),
        }
    }
}

/// Whether this is no XML, or its root element is closed at its end.
fn is_whole(text: &str) -> bool {
    let text = text.trim();
    let mut rest = text;
    // What may stand before the root: `<?xml … ?>`, a comment, a document type.
    while rest.starts_with("<?") || rest.starts_with("<!") {
        match rest.split_once('>') {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
    let Some(root) = rest.strip_prefix('<') else {
        // Nothing behind a declaration is the beginning of a document.
        return !text.starts_with('<');
    };
    let end = root.find(|c: char| c.is_whitespace() || c == '>' || c == '/');
    let Some(name) = end.map(|at| &root[..at]) else {
        return false;
    };
    text.ends_with(&format!("</{name}>")) || (root.ends_with("/>") && !root.contains('<'))
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn a_document_is_whole_from_its_root_on_to_its_end_and_at_no_place_before() {
        let whole = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- x -->\n<R xmlns=\"http://x/\"><a><R2>1</R2></a></R>";
        for at in 1..whole.len() {
            assert!(!is_whole(&whole[..at]), "{}", &whole[..at]);
        }
        for text in [
            whole,
            "<R/>",
            "<R a=\"1\" />\n",
            "",
            "{\"a\":",
            "<html><p>Bad Gateway</p></html>\n",
        ] {
            assert!(is_whole(text), "{text}");
        }
    }
}
