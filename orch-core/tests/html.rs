//! The pages of runs and plans in a real browser.
//!
//! `ORCH_HTML_PAGES=folder cargo test --features html --test html` leaves them there, to be looked at.
#![cfg(feature = "html")]

// `cfg(test)` is always true here; it tells the lints that these lines are test code.
#[cfg(test)]
mod html {
    mod browser;
    mod runs;

    use std::{env, fs, path::Path};

    use orch_core::{Plan, PlanOptions, report::render::html};

    fn pages() -> Vec<(&'static str, String)> {
        let review = runs::review();
        let plan = Plan::new(review.graph(), &PlanOptions::default()).unwrap();
        let hostile = runs::hostile();
        let hostile_plan = Plan::new(hostile.graph(), &PlanOptions::default()).unwrap();
        vec![
            ("review", html::report(&review)),
            ("review-plan", html::plan(&plan)),
            ("deploy", html::report(&runs::deploy())),
            ("layers-200", html::report(&runs::layers(200, 20, 8))),
            ("layers-10000", html::report(&runs::layers(10_000, 400, 64))),
            ("hostile", html::report(&hostile)),
            ("hostile-plan", html::plan(&hostile_plan)),
        ]
    }

    #[test]
    fn every_page_opens_without_an_error() {
        if let Some(folder) = env::var_os("ORCH_HTML_PAGES") {
            for (name, page) in pages() {
                fs::write(Path::new(&folder).join(format!("{name}.html")), page).unwrap();
            }
        }
        let Some(browser) = browser::find() else { return };
        let pages = pages();
        let at_widths: Vec<(&str, u32)> =
            pages.iter().flat_map(|(_, page)| [(page.as_str(), 1280), (page, 375)]).collect();
        let seen = browser::open_all(&browser, &at_widths, "tell('overflow', root.scrollWidth - root.clientWidth)");
        assert_eq!(seen.console, [""; 0]);
        for nth in 0..at_widths.len() {
            let (name, width) = (pages[nth / 2].0, at_widths[nth].1);
            assert_eq!(seen.told_by(&format!("page-{nth}"), "overflow"), "0", "{name} scrolls sideways at {width}");
        }
    }

    #[test]
    fn hostile_text_never_runs() {
        let Some(browser) = browser::find() else { return };
        for (name, page) in pages().into_iter().filter(|(name, _)| name.starts_with("hostile")) {
            // Every bar, box and row is hovered, focused and opened, and the table is drawn anew.
            let poke =
                "for (const element of all('[data-t]')) {
                  for (const kind of ['pointerover', 'mouseover', 'mouseenter']) element.dispatchEvent(new PointerEvent(kind, { bubbles: true }));
                  element.focus();
                  element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
                  press(document.body, 'Escape');
                }
                all('thead button').forEach((button) => button.click());
                all('details').forEach((details) => (details.open = true));
                setTimeout(() => tell('owned', document.documentElement.dataset.owned ?? 'nobody'), 1000);
                tell('rows', all('tbody tr').length);
                tell('images', all('img, iframe, object').length);";
            let seen = browser::open(&browser, &page, 1280, poke);
            assert_eq!(seen.console, [""; 0], "{name}");
            assert_eq!(seen.told("owned"), "nobody", "{name}");
            assert_eq!(seen.told("rows"), runs::HOSTILE.len().to_string(), "{name}");
            assert_eq!(seen.told("images"), "0", "{name}");
        }
    }

    #[test]
    fn the_policy_stops_what_the_page_did_not_bring() {
        let Some(browser) = browser::find() else { return };
        let page = html::report(&runs::review());
        let stowaway =
            "<img src=\"https://example.org/x.png\"><script>document.documentElement.dataset.owned = 1</script>";
        let seen = browser::open(
            &browser,
            &page.replace("<footer>", &format!("{stowaway}<footer>")),
            1280,
            "tell('owned', root.dataset.owned ?? 'nobody')",
        );
        assert_eq!(seen.told("owned"), "nobody");
        assert!(seen.console.iter().filter(|line| line.contains("Content Security Policy")).count() >= 2);
    }

    #[test]
    fn the_table_sorts_filters_and_shows_more() {
        let Some(browser) = browser::find() else { return };
        let ask =
            "const first = () => document.querySelector('tbody tr').id;
            const head = (by) => document.querySelector(`thead [data-by=${by}] button`);
            tell('start', all('tbody tr').length + ' ' + first());
            document.querySelector('.more button').click();
            tell('more', all('tbody tr').length);
            head('id').click();
            tell('up', first() + ' ' + head('id').parentElement.ariaSort);
            head('id').click();
            tell('down', first() + ' ' + head('id').parentElement.ariaSort);
            const search = document.querySelector('input[type=search]');
            search.value = 'task-0012';
            search.dispatchEvent(new Event('input'));
            tell('found', all('tbody tr').length + ' ' + first());
            search.value = '';
            document.querySelector('.tallies button').click();
            tell('failed', new Set(all('tbody td.mark').map((cell) => cell.textContent)).size + ' ' + all('tbody td.mark')[0].textContent);
            tell('said', document.querySelector('.said').textContent);";
        let seen = browser::open(&browser, &html::report(&runs::layers(10_000, 400, 64)), 1280, ask);
        assert_eq!(seen.told("more"), "600");
        assert_eq!(seen.told("up"), "t0 ascending");
        assert_eq!(seen.told("down"), "t9999 descending");
        assert_eq!(seen.told("found"), "10 t129");
        assert_eq!(seen.told("failed"), "1 failed");
        assert!(seen.told("said").ends_with("of 10,000 tasks."), "{}", seen.told("said"));
        assert_eq!(seen.console, [""; 0]);
    }

    #[test]
    fn details_open_by_hover_tap_and_key() {
        let Some(browser) = browser::find() else { return };
        let ask = "const card = document.querySelector('#card');
            const bar = document.querySelector('a.bar.m-failed');
            bar.click();
            tell('card', !card.hidden && card.classList.contains('pinned') && document.activeElement === card);
            tell('said', card.innerText.includes('relation \"orders\" already exists') || card.innerText.includes('12 of 340'));
            tell('hot', all('.node.hot').length > 1 && all('.edge.hot').length > 0 && all('tr.hot').length === 1);
            press(document.body, 'Escape');
            tell('closed', card.hidden && all('.hot').length === 0 && document.activeElement === bar);
            const stops = all('a.bar, .node').filter((element) => element.tabIndex === 0);
            tell('stops', stops.length);
            stops[0].focus();
            press(stops[0], 'ArrowRight');
            tell('moved', document.activeElement !== stops[0] && document.activeElement.matches('a.bar'));
            document.querySelector('[data-zoom=\"2\"]').click();
            tell('zoom', document.querySelector('.lanes').offsetWidth / document.querySelector('.lanes').parentElement.clientWidth);
            tell('overflow', root.scrollWidth - root.clientWidth);";
        let seen = browser::open(&browser, &html::report(&runs::deploy()), 1280, ask);
        for name in ["card", "said", "hot", "closed", "moved"] {
            assert_eq!(seen.told(name), "true", "{name}");
        }
        assert_eq!(seen.told("stops"), "2", "one for the timeline, one for the graph");
        assert_eq!(seen.told("zoom"), "2");
        assert_eq!(seen.told("overflow"), "0");
        assert_eq!(seen.console, [""; 0]);
    }
}
