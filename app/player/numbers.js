// Every quantity of the followed chain and its median over all chains, as a table.

class Numbers {
  constructor(body) {
    this.body = body;
    this.rows = [];
  }

  draw(trajectory, record, chain) {
    const { curves } = trajectory.header;
    if (this.rows.length !== curves.length) this.build(curves);
    curves.forEach(({ key }, i) => {
      this.rows[i][0].textContent = number(trajectory.value(key, record, chain));
      this.rows[i][1].textContent = number(trajectory.median(key, record));
    });
  }

  build(curves) {
    this.body.replaceChildren();
    this.rows = curves.map(({ label, help }) => {
      const row = this.body.insertRow();
      const heading = document.createElement("th");
      heading.scope = "row";
      heading.textContent = label;
      heading.title = help;
      row.append(heading);
      return [row.insertCell(), row.insertCell()];
    });
  }
}

function number(value) {
  return Number.isFinite(value) ? minus(value.toFixed(3)) : "–";
}
