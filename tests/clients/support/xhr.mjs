/** The part of XMLHttpRequest used by pusher-js in a browser, on top of fetch. */
export class FetchedXhr {
  readyState = 0;
  status = 0;
  responseText = '';
  #request = {};
  #headers = {};

  open(method, url) {
    this.#request = { method, url };
  }

  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }

  async send(body) {
    const { method, url } = this.#request;
    try {
      const response = await fetch(url, { method, headers: this.#headers, body });
      this.responseText = await response.text();
      this.status = response.status;
    } catch {
      this.status = 0;
    }
    this.readyState = 4;
    this.onreadystatechange();
  }
}
