/** The page that is shown while the sandbox is being made ready. A refresh in its head would only follow the fragment. */

setTimeout(() => location.reload(), 1000);
