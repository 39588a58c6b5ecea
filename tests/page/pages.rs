//! Pages, asked for as a browser would.

use crate::stand::Stand;

impl Stand {
    /// The body of a page that is there. Nobody who looks at one may cause a probe.
    pub(crate) async fn page(&self, path: &str) -> String {
        let (status, body) = self.told(path).await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(self.probes.asked(), Vec::<String>::new(), "{path}");
        body
    }

    /// The names of the tokens that a list shows, in order.
    pub(crate) async fn listed(&self, path: &str) -> Vec<String> {
        let page = self.page(path).await;
        let rows = page.split("id=\"token-").skip(1);
        rows.map(|row| row.split('"').next().unwrap().to_owned()).collect()
    }
}
